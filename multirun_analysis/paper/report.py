"""The report: one page with every table, figure and verdict and what they were made from. It needs no other file."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multirun_analysis import convergence
from multirun_analysis.audit.findings import Finding, together
from multirun_analysis.grids import Study, told
from multirun_analysis.output import figures
from multirun_analysis.output.drawings import Drawing, LearningCurves
from multirun_analysis.output.tables import Cell, Table
from multirun_analysis.paper.claims import all_claims
from multirun_analysis.paper.curves import convergence_table, fig2, fig3, fig4
from multirun_analysis.paper.tables import chosen_settings, chosen_tasks, table2, table3
from multirun_analysis.paper.verdicts import verdict_table, verdicts

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 90rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
td { min-width: 3em }
td.long { min-width: 16em }
th { border-bottom: 2px solid #555 }
figure { margin: 1.5rem 0; overflow-x: auto }
figcaption { font-weight: 600; margin-bottom: .4rem }
img { max-width: 100% }
.note { color: #555; font-size: 13px; margin: .3rem 0; max-width: 60rem }
.warn, .refuse { padding: .4rem .8rem; margin: .4rem 0; background: #fff4e0; border-left: 4px solid #D55E00 }
.refuse { background: #fde8e8; border-color: #b00020; font-weight: 600 }
"""


@dataclass(frozen=True)
class Report:
    """Everything that can be made of the runs of the paper's experiments.

    Attributes:
        studies: the runs, by the names of what is made from them.
        tables: the tables, in the order of the paper; each has a note for each finding that its reader must know.
        drawings: the figures, likewise.
        verdicts: the table of the claims.
        findings: what must be known before the runs are compared.
        over_variants: the claims over variants of what the paper leaves open, if these were trained.
    """

    studies: Mapping[str, Study]
    tables: Sequence[Table]
    drawings: Sequence[Drawing | LearningCurves]
    verdicts: Table
    findings: Sequence[Finding]
    over_variants: Table | None = None

    def html(self) -> str:
        """The page."""
        corpus = " and ".join(dict.fromkeys(study.corpus for study in self.studies.values()))
        parts = [
            f"<h1>Lian et al. 2018 on {html.escape(corpus)}</h1>",
            *(f"<p class='{finding.severity}'>{html.escape(finding.text)}</p>" for finding in self.findings),
            self.verdicts.html(),
            self.over_variants.html() if self.over_variants else _NO_VARIANTS,
            "<h2>Tables</h2>",
            *(table.html() for table in self.tables),
            "<h2>Figures</h2>",
            *(_picture(drawing) + _below(drawing) for drawing in self.drawings),
            "<h2>What ran</h2>",
            what_ran(self.studies).html(),
        ]
        head = f"<meta charset='utf-8'><title>Report: {html.escape(corpus)}</title><style>{_STYLE}</style>"
        body = "\n".join(parts)
        return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head><body>\n{body}\n</body></html>\n"


_NO_VARIANTS = (
    "<p class='note'>The paper leaves much open, such as the schedule, batch size and margins. <code>make robustness"
    "</code> trains the claims' cells with the alternatives; then this page says in how many a verdict is the same.</p>"
)


def make_report(
    network: Table | None, lengths: Study, tasks: Study, settings: Study, over_variants: Table | None = None
) -> Report:
    """Make the report.

    Args:
        network: Table 1, if the network is the paper's.
        lengths: the runs of Fig. 2.
        tasks: the runs of Table 2.
        settings: the runs of Table 3, Fig. 3 and Fig. 4.
        over_variants: the claims over variants of what the paper leaves open, if these were trained.
    """
    studies = {"fig2": lengths, "table2": tasks, "table3, fig3, fig4": settings}
    judged = verdicts(all_claims(lengths, tasks, settings))
    findings = together(finding for study in studies.values() for finding in study.findings)
    made_from = {"fig2": lengths, "fig3": settings, "fig4": settings}
    beside = [convergence_table(name, study) for name, study in made_from.items()]
    tables = [*([network] if network else []), *table2(tasks), *table3(settings), *beside]
    learning = [
        *convergence.curves("table2", "Table 2 at the chosen λ", tasks, chosen_tasks(tasks)),
        *convergence.curves("table3", "Table 3 at the chosen λ", settings, chosen_settings(settings)),
    ]
    (claims,) = told([verdict_table(judged, settings.corpus)], findings)
    return Report(
        studies,
        told(tables, findings),
        told([fig2(lengths), fig3(settings), fig4(settings), *learning], findings),
        claims,
        findings,
        over_variants,
    )


def what_ran(studies: Mapping[str, Study]) -> Table:
    """Make a table of what each study was made from: its corpus and content, seeds, trainings, code and device.

    Args:
        studies: the runs, by the names of what is made from them.
    """
    columns = ("runs of", "corpus", "content", "cells", "seeds", "trainings", "code", "arithmetic", "device")
    rows = [(name, *_cells(study)) for name, study in studies.items()]
    return Table("what_ran", "What ran", columns, rows)


def _cells(study: Study) -> tuple[Cell, ...]:
    points = [scores.point for scores in study.scores if scores.point.configuration]
    failed = len(study.scores) - len(points)
    planned = {(point.configuration, seed, fold) for point in points for seed in point.seeds for fold in point.folds}
    stored = study.replicas.set_index(["configuration", "seed", "fold"]).index
    return (
        study.corpus,
        _values(study, "corpus_fingerprint", 12),
        f"{len(points)}" + (f" (and {failed} that cannot run)" if failed else ""),
        study.seeds(),
        f"{sum(replica in planned for replica in stored)} of {len(planned)}",
        _values(study, "git_commit", 10),
        _values(study, "numerics", 8),
        _values(study, "device", 8),
    )


def _values(study: Study, column: str, length: int) -> str:
    """The distinct values of a column of the replicas. Of a hash, only the first ``length`` digits are shown."""
    values = study.replicas[column].dropna().astype(str)
    values = values.str.replace(rf"([0-9a-f]{{{length}}})[0-9a-f]+", r"\1", regex=True)
    return ", ".join(sorted(values.unique())) or "unknown"


def _below(drawing: Drawing | LearningCurves) -> str:
    """What stands below a picture: its numbers, but those of every epoch are only in a file; and the notes."""
    if isinstance(drawing, Drawing):
        return drawing.table().html()
    return "".join(f"<p class='note'>{html.escape(note)}</p>" for note in drawing.notes)


def _picture(drawing: Drawing | LearningCurves) -> str:
    data = base64.b64encode(figures.png(drawing)).decode()
    title = html.escape(drawing.title)
    return f"<figure><img alt='{title}' src='data:image/png;base64,{data}'></figure>\n"
