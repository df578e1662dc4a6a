"""What the plan itself says against a comparison, whatever the store has of it."""

from collections.abc import Iterator

from multirun_analysis.audit.compared import Compared
from multirun_analysis.audit.findings import Finding
from multirun_analysis.audit.parameters import by_value, free_parameters
from multirun_analysis.audit.wording import are, count, few, grouped, numbers


def failed(compared: Compared) -> Iterator[Finding]:
    """Points that cannot run."""
    points = [point for point in compared.points if point.error]
    if points:
        causes = [
            f"{compared.count(same)}: {str(error).rstrip('.')}"
            for error, same in grouped(points, lambda point: point.error).items()
        ]
        yield Finding("warn", f"{count(points, 'cell')} cannot run and {are(points)} left out: {few(causes)}.")


def part_of_the_folds(compared: Compared) -> Iterator[Finding]:
    """Points of which not every fold is planned."""
    parts = " and ".join(sorted({point.part for point in compared.planned.values() if point.part}))
    if parts:
        text = f"Only {parts}: these are not the figures of the whole corpus."
        yield Finding("warn", text, in_tables=True, in_title=f"only {parts}")


def fixed_test_set(compared: Compared) -> Iterator[Finding]:
    """Corpora with an official split have one test set, which no seed and no fold changes."""
    if any(point.sessions == 1 for point in compared.planned.values()):
        text = (
            "There is one fixed test set (official split): intervals over seeds say how other seeds would have turned "
            "out on these test utterances, and nothing of other ones."
        )
        yield Finding("warn", text, in_tables=True)


def unequal_folds(compared: Compared) -> Iterator[Finding]:
    """Points of one corpus that are tested on different speakers."""
    for configurations in compared.corpora:
        groups = grouped(configurations, lambda name: compared.planned[name].folds)
        if len(groups) > 1:
            places = [f"{numbers('fold', folds)} in {compared.count(names)}" for folds, names in groups.items()]
            text = "The cells are planned over different folds, hence tested on different speakers"
            yield Finding("refuse", f"{text}: {few(places)}.")


def unswept_differences(compared: Compared) -> Iterator[Finding]:
    """Parameters in which the points differ although they were not swept."""
    rows = [(point, free_parameters(point, compared.swept)) for point in compared.points]
    for key in sorted({key for _, parameters in rows for key in parameters} - compared.swept):
        for points_by_value in by_value(key, rows):
            if len(points_by_value) > 1:
                places = [f"{value} in {compared.count(points)}" for value, points in points_by_value.items()]
                yield Finding("refuse", f"The cells differ in {key}, which was not swept: {few(places)}.")
