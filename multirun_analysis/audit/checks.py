"""All checks of what is compared, in the order in which their findings are reported."""

from collections.abc import Callable, Collection, Iterator, Sequence

from multirun_analysis.audit import coverage, origins, outcomes, plan
from multirun_analysis.audit.compared import Compared
from multirun_analysis.audit.findings import Finding, refusals_first
from multirun_analysis.audit.parameters import swept_parameters
from multirun_analysis.store.contents import Collected
from ser.sweep.planned import Point, merged

CHECKS: tuple[Callable[[Compared], Iterator[Finding]], ...] = (
    plan.failed,
    coverage.missing,
    coverage.without_metrics,
    coverage.partial_seeds,
    plan.part_of_the_folds,
    plan.fixed_test_set,
    plan.unequal_folds,
    coverage.unequal_seeds,
    origins.conflicts,
    origins.fingerprints,
    origins.numerics,
    origins.commits,
    origins.devices,
    outcomes.diverged,
    outcomes.never_fell,
    plan.unswept_differences,
    outcomes.leaks,
    origins.synthetic,
)
"""Each check yields what it finds; findings of equal severity are reported in this order."""


def audit(points: Sequence[Point], collected: Collected, swept: Collection[str]) -> list[Finding]:
    """Check what was collected for the points that were planned.

    Args:
        points: the points to be compared. Points of one configuration (``loss=none`` at two lambdas) count as one.
        collected: what the store holds; replicas of other configurations are ignored.
        swept: the keys in which the points are meant to differ, as typed: ``loss``, ``lambda``, ``trainer.lr``.

    Returns:
        The findings, first those that refuse.
    """
    compared = Compared(merged(points), collected, swept_parameters(swept))
    return refusals_first(finding for check in CHECKS for finding in check(compared))
