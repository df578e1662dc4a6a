"""Judge the paper's claims in every reading, from what the tracking store has of its trainings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from multirun_analysis.grids import Scores, Study, make_study
from multirun_analysis.inference.evidence import Evidence
from multirun_analysis.inference.intervals import LEVEL
from multirun_analysis.paper.claims import all_claims
from multirun_analysis.paper.verdicts import CANNOT_BE_SAID, Claim, Verdict, verdicts
from multirun_analysis.robustness.counts import NOT_RUN, Counted, Outcome
from multirun_analysis.robustness.readings import Reading
from ser.config.words import by_key
from ser.sweep.planned import Plan, Point

_AXES = ("loader", "position", "loss", "lambda", "feature", "length", "aux_task", "aux_task.weight", "model")
"""The keys in which the cells of the paper's experiments are meant to differ."""

_STUDIES = {"fig2": 0, "table2": 1}
"""Which argument of ``all_claims`` gets the cells of an experiment; of all others, the last one."""


@dataclass(frozen=True)
class Found:
    """What a reading finds for one statement of a claim, with an interval at ``LEVEL``.

    ``words`` are the same in every reading, ``detail`` names the cells that are compared in this one.
    """

    claim: str
    words: str
    detail: str
    evidence: Evidence


@dataclass(frozen=True)
class Robustness:
    """All readings, the verdicts in each and what they were made from.

    Attributes:
        study: the cells of all readings, each configuration once.
        readings: the reference, then the variants.
        left_out: the sweeps of the file that were not asked for.
    """

    study: Study
    readings: Sequence[Reading]
    left_out: Sequence[str] = ()

    @cached_property
    def seeds(self) -> int:
        """The number of seeds planned for a cell; the smallest, if cells differ."""
        return min((len(scores.point.seeds) for scores in self.study.scores), default=0)

    @cached_property
    def counted(self) -> list[Counted]:
        """A row for each claim that any of the sweeps says something about, in the order of the paper."""
        reference, *variants = self.readings
        used = self._used
        outcomes = {reading.name: self._outcomes(reading, used) for reading in self.readings}
        return [
            Counted(
                claim.text,
                outcomes[reference.name][row],
                {one.label: outcomes[one.name][row] for one in variants if used[row] & set(one.changed)},
                self._seeds(used[row]),
            )
            for row, claim in enumerate(self._claims[reference.name])
            if used[row]
        ]

    @property
    def unsaid(self) -> int:
        """The number of claims that none of the sweeps says anything about."""
        return sum(not used for used in self._used)

    @cached_property
    def found(self) -> dict[str, list[Found]]:
        """What each reading finds for the statements of all claims that can be judged, by the reading's name.

        Left out of a variant are the claims whose trainings it does not change.
        """
        return {
            reading.name: [
                Found(claim.text, part.words, part.detail, evidence)
                for claim, used in zip(self._claims[reading.name], self._used, strict=True)
                if used & set(reading.changed)
                for part in claim.parts
                if (evidence := part.evidence(LEVEL)) is not None
            ]
            for reading in self.readings
        }

    def trainings(self, reading: Reading) -> tuple[int, int]:
        """How many trainings of a reading's changed sweeps are in the store, and how many there are."""
        planned = {place for sweep in reading.changed for place in self._places(reading, sweep)}
        return len(planned & self._stored), len(planned)

    @property
    def was_run(self) -> bool:
        """Whether the store has all trainings that one of the variants changes."""
        counts = map(self.trainings, self.readings[1:])
        return any(there == planned > 0 for there, planned in counts)

    def incomplete(self, reading: Reading) -> list[str]:
        """The changed sweeps of which the store lacks trainings."""
        return [sweep for sweep in reading.changed if not self._places(reading, sweep) <= self._stored]

    @cached_property
    def _stored(self) -> set[tuple[str, int, int]]:
        """Configuration, seed and fold of each training that counts: of seeds that are complete."""
        return {place for scores in self.study.scores for place in _places(scores.point, scores.values.index)}

    def _places(self, reading: Reading, sweep: str) -> set[tuple[str, int, int]]:
        plan = reading.plans.get(sweep)
        points = plan.points if plan else ()
        return {place for point in points for place in _places(point, point.seeds)}

    @cached_property
    def _claims(self) -> dict[str, list[Claim]]:
        return {reading.name: all_claims(*self._studies(reading.plans)) for reading in self.readings}

    @cached_property
    def _used(self) -> list[set[str]]:
        """The sweeps that each claim uses: without their cells the claim would be computed otherwise."""
        reference = self.readings[0].plans
        whole = self._claims[self.readings[0].name]
        used: list[set[str]] = [set() for _ in whole]
        for sweep in reference:
            rest = {name: plan for name, plan in reference.items() if name != sweep}
            for row, claim in enumerate(all_claims(*self._studies(rest))):
                if repr(claim) != repr(whole[row]):
                    used[row].add(sweep)
        return used

    def _studies(self, plans: Mapping[str, Plan]) -> list[Study]:
        """The cells of plans as the studies that ``all_claims`` takes."""
        cells: list[dict[Any, Scores]] = [{}, {}, {}]
        for plan in plans.values():
            for point in plan.points:
                cells[_STUDIES.get(_experiment(plan), 2)][point.known_by] = self._scores[point.known_by]
        return [replace(self.study, scores=tuple(each.values())) for each in cells]

    @cached_property
    def _scores(self) -> dict[Any, Scores]:
        return {scores.point.known_by: scores for scores in self.study.scores}

    def _outcomes(self, reading: Reading, used: Sequence[set[str]]) -> list[Outcome]:
        judged = verdicts(self._claims[reading.name])
        return [self._outcome(reading, verdict, sweeps) for verdict, sweeps in zip(judged, used, strict=True)]

    def _outcome(self, reading: Reading, verdict: Verdict, used: set[str]) -> Outcome:
        """What a reading says of a claim that uses these sweeps."""
        changed = [sweep for sweep in reading.changed if sweep in used]
        errors = list(dict.fromkeys(reading.errors[sweep] for sweep in changed if sweep in reading.errors))
        if errors:
            return Outcome(NOT_RUN, " ".join(errors).rstrip("."))
        if verdict.word == CANNOT_BE_SAID:
            planned = {place for sweep in changed for place in self._places(reading, sweep)}
            if not planned <= self._stored:
                return Outcome(NOT_RUN, f"{len(planned & self._stored)} of {len(planned)} trainings")
            return Outcome(verdict.word, " ".join(verdict.reasons).rstrip("."))
        return Outcome(verdict.word)

    def _seeds(self, used: Iterable[str]) -> int:
        plans = self.readings[0].plans
        return min((len(point.seeds) for sweep in used for point in plans[sweep].points), default=0)


def make_robustness(
    readings: Sequence[Reading], uri: str | None, experiment: str | None, left_out: Sequence[str] = ()
) -> Robustness:
    """Read what the tracking store has of the cells of all readings.

    Args:
        readings: the reference, then the variants.
        uri: the tracking store, see ``ser.results.mlflow.resolve_uri``.
        experiment: the name of the MLflow experiment.
        left_out: the sweeps of the file that were not asked for.

    Raises:
        UserError: the tracking store cannot be read.
    """
    plans = {id(plan): plan for reading in readings for plan in reading.plans.values()}
    study = make_study(list(plans.values()), uri, experiment, [*_AXES, *_varied(readings)])
    return Robustness(study, readings, left_out)


def _varied(readings: Sequence[Reading]) -> Iterator[str]:
    """The keys of the variants' overrides."""
    yield from dict.fromkeys(key for reading in readings for key in reading.keys)


def _experiment(plan: Plan) -> str:
    return by_key(plan.overrides).get("experiment", "")


def _places(point: Point, seeds: Iterable[int]) -> Iterator[tuple[str, int, int]]:
    if point.configuration is not None:
        yield from ((point.configuration, int(seed), fold) for seed in seeds for fold in point.folds)
