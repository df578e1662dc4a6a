"""The readings of the paper: the reduced grid as chosen, and again in each variant, composed but not trained."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from multirun_analysis.robustness.variants import REFERENCE, Multiverse, Variant
from ser.config.words import key_of
from ser.errors import UserError
from ser.sweep.commandline import rewrite
from ser.sweep.plan import compose_plan, compose_settings
from ser.sweep.planned import Plan


@dataclass(frozen=True)
class Reading:
    """The grid in one variant.

    Attributes:
        name: the variant's name, or ``REFERENCE``.
        label: what it changes.
        why: why it is plausible.
        plans: the plan of each sweep, by the sweep's name. Those of sweeps that the variant leaves as they are, are the
            reference's.
        changed: the sweeps of which trainings differ from the reference's; of the reference itself, all.
        errors: why a sweep cannot run, by its name; it then has no plan.
        keys: the keys of the variant's overrides.
    """

    name: str
    label: str
    why: str
    plans: Mapping[str, Plan]
    changed: tuple[str, ...]
    errors: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()

    @property
    def trainings(self) -> set[str]:
        """The signatures of the trainings in changed sweeps."""
        plans = [self.plans[sweep] for sweep in self.changed if sweep in self.plans]
        return {signature for plan in plans for signature in plan.signatures()}

    def commands(self, without: Collection[str] = ()) -> list[str]:
        """The command lines that train the changed sweeps, for a shell.

        Args:
            without: names of sweeps that are left out.
        """
        return [
            shlex.join(["python", "-m", "ser.run", "-m", *self.plans[sweep].overrides])
            for sweep in self.changed
            if sweep in self.plans and sweep not in without
        ]


def make_readings(multiverse: Multiverse, overrides: Sequence[str]) -> list[Reading]:
    """Compose and check the sweeps of all readings.

    Args:
        multiverse: the grid and its variants.
        overrides: what was typed for all of them.

    Returns:
        The reference, then a reading for each variant.

    Raises:
        UserError: an override is wrong. What the corpus cannot do is in ``Reading.errors`` instead.
    """
    for override in overrides:
        if ":" in key_of(override):
            raise UserError(f"{override}: the grid of robustness is in its file. Copy that and give variants=FILE.")
    common = [*multiverse.common, *overrides]
    plans, errors = _plans(multiverse, common, list(multiverse.sweeps), REFERENCE, ())
    said = ("–", "The defaults of conf/ and what was typed.")
    reference = Reading(REFERENCE, *said, plans, tuple(multiverse.sweeps), errors)
    return [reference, *(_reading(multiverse, common, variant, reference) for variant in multiverse.variants)]


def _reading(multiverse: Multiverse, common: Sequence[str], variant: Variant, reference: Reading) -> Reading:
    names = [name for name in multiverse.sweeps if name in variant.sweeps]
    plans, errors = _plans(multiverse, common, names, variant.name, variant.overrides)
    changed = [name for name in names if name in errors or _differ(plans[name], reference.plans.get(name))]
    kept = {name: plan for name, plan in reference.plans.items() if name not in changed}
    own = {name: plans[name] for name in changed if name in plans}
    cannot = {**{name: text for name, text in reference.errors.items() if name not in own}, **errors}
    keys = tuple(map(key_of, rewrite(variant.overrides)))
    return Reading(variant.name, variant.label, variant.why, {**kept, **own}, tuple(changed), cannot, keys)


def _differ(plan: Plan, reference: Plan | None) -> bool:
    return reference is None or plan.signatures().keys() != reference.signatures().keys()


def _plans(
    multiverse: Multiverse, common: Sequence[str], names: Sequence[str], reading: str, more: Sequence[str]
) -> tuple[dict[str, Plan], dict[str, str]]:
    """Compose sweeps.

    Args:
        multiverse: the grid.
        common: overrides that those of a sweep replace.
        names: the sweeps.
        reading: the name of the reading.
        more: the variant's overrides, which replace all others.

    Returns:
        The plan of each sweep, and for those that cannot run on this corpus the reason.

    Raises:
        UserError: an override is wrong.
    """
    plans, errors = {}, {}
    for name in names:
        sweep = f"sweep=robustness-{reading.replace(' ', '-')}"
        overrides = merge([*common, *multiverse.sweeps[name], *more, sweep])
        try:
            plans[name] = compose_plan(overrides)
        except UserError as error:
            _refuse_wrong_overrides(overrides, f"{reading}, sweep {name}")
            errors[name] = str(error)
    return plans, errors


def _refuse_wrong_overrides(overrides: list[str], where: str) -> None:
    """Tell a mistake of the user from what the corpus cannot do, which composing alone does not show.

    Raises:
        UserError: an override is wrong.
    """
    try:
        compose_settings(overrides)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def merge(overrides: Sequence[str]) -> list[str]:
    """Keep the last override of each key, in the words of Hydra.

    >>> merge(["lambda=0.9", "loss=cos", "lambda=0.6,0.7"])
    ['lambda.weight=0.6,0.7', 'loss=cos']
    """
    return list({key_of(override): override for override in rewrite(overrides)}.values())
