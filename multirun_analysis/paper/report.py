"""One self-contained page with every table, figure and verdict, and what they were made from."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from multirun_analysis.audit import Finding
from multirun_analysis.grids import Study
from multirun_analysis.output import figures
from multirun_analysis.output.tables import Cell, Table
from multirun_analysis.paper import claims, curves
from multirun_analysis.paper import tables as paper
from multirun_analysis.paper.curves import Drawing

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #ddd; vertical-align: top }
td { white-space: nowrap }
td.long { white-space: normal }
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
    """Everything that can be made of the three studies, in the paper's order."""

    studies: Mapping[str, Study]
    tables: Sequence[Table]
    drawings: Sequence[Drawing]
    verdicts: Table
    findings: Sequence[Finding]

    def html(self) -> str:
        """The page."""
        corpus = " and ".join(dict.fromkeys(study.corpus for study in self.studies.values()))
        parts = [
            f"<h1>Lian et al. 2018 on {html.escape(corpus)}</h1>",
            *(f"<p class='{each.severity}'>{html.escape(each.text)}</p>" for each in self.findings),
            self.verdicts.html(),
            "<h2>Tables</h2>",
            *(table.html() for table in self.tables),
            "<h2>Figures</h2>",
            *(_picture(drawing) + drawing.table().html() for drawing in self.drawings),
            "<h2>What ran</h2>",
            what_ran(self.studies).html(),
        ]
        head = f"<meta charset='utf-8'><title>Report: {html.escape(corpus)}</title><style>{_STYLE}</style>"
        body = "\n".join(parts)
        return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head><body>\n{body}\n</body></html>\n"


def make(network: Table | None, fig2: Study, table2: Study, table3: Study) -> Report:
    """The report of the runs of Fig. 2, Table 2, and Table 3 with Figs. 3 and 4; ``network``: Table 1, if any."""
    studies = {"fig2": fig2, "table2": table2, "table3, fig3, fig4": table3}
    found = claims.verdicts(claims.all_claims(fig2, table2, table3))
    findings = list(dict.fromkeys(each for study in studies.values() for each in study.findings))
    return Report(
        studies,
        [*([network] if network else []), *paper.table2(table2), *paper.table3(table3)],
        [curves.fig2(fig2), curves.fig3(table3), curves.fig4(table3)],
        claims.table(found, table3.corpus),
        findings,
    )


def what_ran(studies: Mapping[str, Study]) -> Table:
    """Corpus, content, code, seeds and missing trainings of each study."""
    columns = ("runs of", "corpus", "content", "cells", "seeds", "trainings", "code", "arithmetic", "device")
    rows: list[tuple[Cell, ...]] = []
    for name, study in studies.items():
        cells = {each.point.configuration: each.point for each in study.scores if each.point.configuration}
        planned = sum(len(cell.seeds) * len(cell.folds) for cell in cells.values())
        failed = sum(each.point.configuration is None for each in study.scores)
        rows.append(
            (
                name,
                study.corpus,
                _values(study, "corpus_fingerprint", 12),
                f"{len(cells)}" + (f" (and {failed} that cannot run)" if failed else ""),
                study.seeds(),
                f"{_found(study)} of {planned}",
                _values(study, "git_commit", 10),
                _values(study, "numerics", 8),
                _values(study, "device", 8),
            )
        )
    return Table("what_ran", "What ran", columns, rows)


def _found(study: Study) -> int:
    """How many of the planned trainings the store has."""
    rows = study.replicas.set_index(["configuration", "seed", "fold"]).index
    cells = [each.point for each in study.scores]
    planned = {(cell.configuration, seed, fold) for cell in cells for seed in cell.seeds for fold in cell.folds}
    return sum(row in planned for row in rows)


def _values(study: Study, column: str, length: int) -> str:
    """A tag's different values; a hash by its first digits, and what is added to it."""
    values = (
        study.replicas[column].dropna().astype(str).str.replace(rf"([0-9a-f]{{{length}}})[0-9a-f]+", r"\1", regex=True)
    )
    return ", ".join(sorted(values.unique())) or "unknown"


def _picture(drawing: Drawing) -> str:
    data = base64.b64encode(figures.png(figures.draw(drawing))).decode()
    title = html.escape(drawing.title)
    return f"<figure><img alt='{title}' src='data:image/png;base64,{data}'></figure>\n"
