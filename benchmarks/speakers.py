"""How often an interval over speakers of one row covers the truth: a table of ``python -m benchmarks.verdicts``."""

import numpy as np

from benchmarks.measure import Section
from multirun_analysis.inference.clusters import accuracies
from multirun_analysis.inference.scores import Floats

CHANCES = np.array([0.8, 0.4, 0.6, 0.6])
"""How often an utterance of each class is classified correctly, in the mean over speakers."""

SHARES = np.array([127, 79, 71, 62]) / 339
"""The classes' shares of the utterances, those of EmoDB."""

TRUTHS = float(CHANCES @ SHARES), float(CHANCES.mean())
"""WA and UWA in the mean over speakers."""


def coverage(repetitions: int) -> Section:
    """Coverage of 95 % intervals over speakers, the jackknife's beside those of a plain bootstrap over speakers."""
    rows = []
    for speakers in (4, 6, 10, 24):
        rng = np.random.default_rng([speakers, 4])
        held = np.mean([_held(speakers, rng) for _ in range(repetitions)], axis=0)
        rows.append((f"{speakers} speakers", *(f"{100 * share:.1f}" for share in held)))
    columns = ("", "WA, jackknife", "UWA, jackknife", "WA, bootstrap", "UWA, bootstrap")
    title = "Coverage of the truth for other speakers by the interval of one row, in %: speakers differ by 8 points"
    return Section(title, columns, rows)


def _held(speakers: int, rng: np.random.Generator) -> list[bool]:
    """Whether each interval holds the truth. Speakers have 10 to 60 utterances, and differ in each class besides."""
    right, counts = draw(speakers, rng)
    intervals = [estimate.interval or (0.0, 1.0) for estimate in accuracies(right, counts)]
    drawn = rng.multinomial(speakers, np.full(speakers, 1 / speakers), 1000).astype(np.float64)
    sums, sizes = drawn @ right, drawn @ counts
    with np.errstate(invalid="ignore"):
        resampled = sums.sum(axis=1) / sizes.sum(axis=1), np.nanmean(sums / sizes, axis=1)
    intervals += [tuple(np.quantile(values, [0.025, 0.975])) for values in resampled]
    return [low <= truth <= high for (low, high), truth in zip(intervals, 2 * TRUTHS, strict=True)]


def draw(speakers: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw how many utterances of each speaker and class are classified correctly, and how many there are."""
    counts = rng.multinomial(rng.integers(10, 61, speakers), SHARES)
    chances = CHANCES + rng.normal(0, 0.08, (speakers, 1)) + rng.normal(0, 0.05, (speakers, 4))
    return rng.binomial(counts, chances.clip(0, 1)).astype(np.float64), counts.astype(np.float64)
