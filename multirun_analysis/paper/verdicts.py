"""How the paper's claims are judged: supported, not supported, or undecided with this number of seeds.

A claim consists of one or more statements about the scores over seeds, its parts. The verdict on a part follows from a
confidence interval (``multirun_analysis.inference.evidence``) at the level 1 - 0.05 / m, where m is the number of parts
of all claims, each counted once (Bonferroni). So all verdicts of a report are right together with a probability of
95 %, as far as the intervals hold what they promise. ``docs/statistics.md`` says how far that is, by simulations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from multirun_analysis.inference import evidence
from multirun_analysis.inference.evidence import NOT_SUPPORTED, SUPPORTED, UNDECIDED, Evidence
from multirun_analysis.inference.intervals import LEVEL
from multirun_analysis.output.tables import Cell, Table
from multirun_analysis.paper.parts import ALIKE, IMPROVEMENT, Part

CANNOT_BE_SAID = "cannot be said"
"""The verdict where trainings are missing."""


@dataclass(frozen=True)
class Claim:
    """A claim of the paper.

    Attributes:
        text: the claim.
        where: the section of the paper that makes it.
        parts: the statements that it implies.
        note: what was left out, and why; or what stands beside the verdict.
    """

    text: str
    where: str
    parts: tuple[Part, ...]
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim, its verdict in a word, and what the seeds say about each part; None where trainings are missing."""

    claim: Claim
    word: str
    found: tuple[Evidence | None, ...] = ()

    @cached_property
    def reasons(self) -> tuple[str, ...]:
        """A sentence for each part that gives the reason."""
        return tuple(map(_reason, self.claim.parts, self.found))


def verdicts(claims: Sequence[Claim]) -> list[Verdict]:
    """Judge each claim, at a confidence level that holds for all of them together."""
    tested = {part.words for claim in claims for part in claim.parts if part.test is not None}
    level = 1 - (1 - LEVEL) / max(len(tested), 1)
    return [_verdict(claim, level) for claim in claims]


def verdict_table(judged: Sequence[Verdict], corpus: str) -> Table:
    """Make a table with a row for each claim.

    Args:
        judged: the verdicts.
        corpus: the name of the corpus for the title.
    """
    rows: list[tuple[Cell, ...]] = []
    for verdict in judged:
        because = " ".join([*verdict.reasons, verdict.claim.note]).strip()
        rows.append((verdict.claim.text, verdict.claim.where, verdict.word, because))
    reading = (
        "Supported: the whole interval lies on the claimed side; not supported: on the other side; else undecided at "
        f"this number of seeds. Fewer than {evidence.LEAST_SEEDS} seeds decide nothing, nor do seeds that agree "
        "exactly. A claim of several parts needs all of them, and one that fails refutes it; it cannot be said where "
        "a part's trainings are not there. Intervals are Student's t over seeds (of paired differences where two are "
        "compared), at a level that holds for all claims together (Bonferroni). They say how other seeds would turn "
        "out, on this corpus. Where nothing is decided, the reason may say how many seeds would do: with so many, four "
        f"of five studies would decide if the true difference were {IMPROVEMENT:.2f} points, or 0 where two are to be "
        "alike; in parentheses: the same for the lower and the upper end of the 95 % interval of the differences' "
        "standard deviation. docs/statistics.md has each method and how often its verdicts are wrong."
    )
    return Table(
        "claims", f"The paper's claims on {corpus}", ("claim", "paper", "verdict", "because"), rows, (reading, _CAVEAT)
    )


_CAVEAT = (
    f"About as good or alike: unless a reason says otherwise, within ±{ALIKE:g} points of WA, half of what the paper "
    f"calls an improvement ({IMPROVEMENT:.2f}). That is hard to show: of pairs of systems that are exactly alike, 20 "
    "seeds find 1 % so if their differences have a standard deviation of 1 point, and 83 % if it is 0.5 "
    "(docs/statistics.md). Undecided does not mean different."
)


def _verdict(claim: Claim, level: float) -> Verdict:
    found = tuple(part.evidence(level) for part in claim.parts)
    words = [CANNOT_BE_SAID if each is None else each.word for each in found]
    conditions = [word for part, word in zip(claim.parts, words, strict=True) if part.condition]
    if any(word != SUPPORTED for word in conditions):
        return Verdict(claim, UNDECIDED, found)
    for word in (NOT_SUPPORTED, CANNOT_BE_SAID, UNDECIDED):
        if word in words:
            return Verdict(claim, word, found)
    return Verdict(claim, SUPPORTED, found)


def _reason(part: Part, found: Evidence | None) -> str:
    if found is None:
        return f"{part.words}{part.detail}: {part.missing.rstrip('.')}."
    needs = " (without it, the claim says nothing)" if part.condition and found.word != SUPPORTED else ""
    return f"{part.words}{part.detail}: {found.text}{needs}."
