"""A claim's verdicts over the variants, counted and put into words."""

from collections.abc import Mapping
from dataclasses import dataclass

from multirun_analysis.inference.evidence import NOT_SUPPORTED, SUPPORTED, UNDECIDED
from multirun_analysis.paper.verdicts import CANNOT_BE_SAID

NOT_RUN = "not run"
VERDICTS = (SUPPORTED, NOT_SUPPORTED, UNDECIDED)
"""What is said of a claim whose trainings are there. Else it ``cannot be said``, or its variant was ``not run``."""


@dataclass(frozen=True)
class Outcome:
    """What a reading says of a claim: one of ``VERDICTS``, ``cannot be said`` or ``not run``; for the last two, why."""

    word: str
    reason: str = ""


@dataclass(frozen=True)
class Counted:
    """A claim as chosen, and in each variant that changes any of its trainings.

    Attributes:
        claim: the claim.
        reference: its outcome as chosen.
        variants: its outcomes by the variants' labels, without those that leave its trainings as they are.
        seeds: the number of seeds planned for each of its cells.
    """

    claim: str
    reference: Outcome
    variants: Mapping[str, Outcome]
    seeds: int

    def count(self, word: str) -> int:
        """The number of variants, without the reference, with that outcome."""
        return sum(outcome.word == word for outcome in self.variants.values())

    @property
    def run(self) -> int:
        """The number of variants with a verdict."""
        return sum(map(self.count, VERDICTS))

    @property
    def others(self) -> dict[str, str]:
        """The verdicts that differ from the reference's, by the variants' labels."""
        verdicts = {label: outcome.word for label, outcome in self.variants.items() if outcome.word in VERDICTS}
        return {label: word for label, word in verdicts.items() if word != self.reference.word}

    def sentence(self) -> str:
        """The counts in words.

        >>> variants = {"trainer.patience=3": Outcome("undecided"), "trainer.batch_size=64": Outcome("supported")}
        >>> Counted("cos is better than l2.", Outcome("supported"), variants, 3).sentence()
        'supported as chosen and in 1 of 2 variants; undecided with trainer.patience=3'
        """
        parts = [self._agreement()]
        if self.others and self.reference.word in VERDICTS:
            parts += self._differing()
        for word in (CANNOT_BE_SAID, NOT_RUN):
            reasons = [
                f"{label} ({outcome.reason})" for label, outcome in self.variants.items() if outcome.word == word
            ]
            if reasons and self.reference.word in VERDICTS:
                parts.append(f"{word} with {', '.join(reasons)}")
        return "; ".join(parts)

    def _differing(self) -> list[str]:
        """The variants with another verdict, in words: undecided overturns nothing."""
        decided = {label: word for label, word in self.others.items() if word != UNDECIDED}
        undecided = [label for label in self.others if label not in decided]
        how = "decided" if self.reference.word == UNDECIDED else "turned over"
        return [
            *([f"{how} by {', '.join(f'{label} ({word})' for label, word in decided.items())}"] if decided else []),
            *([f"undecided with {', '.join(undecided)}"] if undecided else []),
        ]

    def _agreement(self) -> str:
        word = self.reference.word
        if word not in VERDICTS:
            return f"{word} as chosen: {self.reference.reason}".rstrip(": ")
        if not self.variants:
            return f"{word} as chosen; no variant changes its trainings"
        if not self.run:
            return f"{word} as chosen; no variant was run"
        return f"{word} as chosen and in {self.count(word)} of {self.run} variants"
