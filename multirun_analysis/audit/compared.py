"""What is compared: the planned points, and what the store has of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from multirun_analysis.audit.parameters import by_value, free_parameters
from multirun_analysis.audit.wording import count, few, grouped
from multirun_analysis.store.contents import NEEDED, REPLICA, Collected
from ser.config.words import differing
from ser.sweep.planned import Point

_MOST_NAMES = 3  # a longer list of points is counted, not named


@dataclass(frozen=True)
class Compared:
    """What is compared.

    Attributes:
        points: one for each configuration.
        collected: what the store holds; replicas that were not planned are ignored.
        swept: the parameters in which the points are meant to differ.
    """

    points: Sequence[Point]
    collected: Collected
    swept: frozenset[str]

    @cached_property
    def planned(self) -> dict[str, Point]:
        """The points that can run, by configuration."""
        return {point.configuration: point for point in self.points if point.configuration is not None}

    @cached_property
    def corpora(self) -> list[list[str]]:
        """The configurations, grouped by what was swept of the corpus.

        Content, folds and origin of the speech must agree within a group, and may differ between groups.
        """
        keys = sorted(key for key in self.swept if key.partition(".")[0] == "corpus")
        return list(grouped(self.planned, lambda name: tuple(map(self.planned[name].parameters.get, keys))).values())

    @cached_property
    def replicas(self) -> pd.DataFrame:
        """The rows of planned replicas."""
        return self._planned(self.collected.replicas)

    @cached_property
    def conflicts(self) -> pd.DataFrame:
        """The rows of planned replicas that are in conflict."""
        return self._planned(self.collected.conflicts)

    @cached_property
    def missing(self) -> dict[str, dict[int, list[int]]]:
        """The folds that the store lacks, or has without a metric that the tables need, by configuration and seed."""
        stored = set(self.replicas.dropna(subset=NEEDED)[REPLICA].itertuples(index=False, name=None))
        missing: dict[str, dict[int, list[int]]] = {}
        for name, point in self.planned.items():
            for seed in point.seeds:
                folds = [fold for fold in point.folds if (name, seed, fold) not in stored]
                if folds:
                    missing.setdefault(name, {})[seed] = folds
        return missing

    def name(self, point: Point | str) -> str:
        """Name a point, or the point of a configuration, in words: ``loss=cos lambda=0.6``."""
        parameters = self.planned[point].parameters if isinstance(point, str) else point.parameters
        return " ".join(f"{key}={parameters[key]}" for key in self._keys if key in parameters)

    def count(self, points: Sequence[Point | str]) -> str:
        """Count points, and name them if they are few: ``2 cells (loss=cos; loss=l2)``."""
        return self.listed(points) if len(points) <= _MOST_NAMES else count(points, "cell")

    def listed(self, points: Sequence[Point | str]) -> str:
        """Count points and name them, of many the first ones: ``2 cells (loss=cos; loss=l2)``."""
        return f"{count(points, 'cell')} ({few([self.name(point) for point in points])})"

    @cached_property
    def _keys(self) -> list[str]:
        """The parameters by which points are named: those that differ, unless another choice determines them."""
        rows = [(point, free_parameters(point)) for point in self.points]
        keys = differing([point.parameters for point in self.points])
        named = [key for key in keys if key in self.swept or any(len(values) > 1 for values in by_value(key, rows))]
        return named or ["loss"]

    def _planned(self, rows: pd.DataFrame) -> pd.DataFrame:
        planned = {
            (name, seed, fold) for name, point in self.planned.items() for seed in point.seeds for fold in point.folds
        }
        keys = rows[REPLICA].itertuples(index=False, name=None)
        return rows[pd.Series([key in planned for key in keys], index=rows.index, dtype=bool)]
