"""What a command line of ``python -m multirun_analysis`` asks for, and the files that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ser.errors import UserError
from ser.system.files import expanded, write_text

if TYPE_CHECKING:  # these modules import pandas, scipy and matplotlib, which --help and a list of sweeps do without
    from multirun_analysis.audit.findings import Finding
    from multirun_analysis.grids import Study
    from multirun_analysis.output.drawings import Drawing, LearningCurves
    from multirun_analysis.output.tables import Table


class CommandLine(NamedTuple):
    """A command line, split into its parts.

    Attributes:
        what: a key of ``EXPERIMENTS``; empty for a sweep or the list of sweeps.
        overrides: the arguments ``key=value``, without the options.
        options: ``out``, ``audit`` and ``interval``.
    """

    what: str
    overrides: list[str]
    options: dict[str, str]


def refuse_unless_shouting(study: Study, command: CommandLine) -> None:
    """Stop if the runs cannot be compared, unless ``audit=shout`` was given.

    Raises:
        UserError: they cannot.
    """
    refusals = [f"- {finding.text}" for finding in study.findings if finding.severity == "refuse"]
    if refusals and command.options["audit"] == "refuse":
        listed = "\n".join(refusals)
        raise UserError(
            f"These runs cannot be compared:\n{listed}\nWith audit=shout the tables are made all the same, and say so."
        )


def refuse_intervals(command: CommandLine, why: str) -> None:
    """Refuse ``interval=speakers`` where no table has such intervals; ``why`` says where there are any."""
    if command.options["interval"] != "seeds":
        raise UserError(f"interval={command.options['interval']}: {why}.")


def folder_of(command: CommandLine, name: str) -> Path:
    """The folder for files: ``out=``, or ``name`` below ``reports``."""
    return expanded(command.options.get("out") or f"reports/{name}")


def write_tables(tables: Sequence[Table], command: CommandLine, name: str, findings: Sequence[Finding] = ()) -> str:
    """Write tables as Markdown, LaTeX and CSV. Each has a note for each finding that its reader must know.

    Args:
        tables: the tables.
        command: the command line, which may name the folder.
        name: the folder below ``reports``, if it does not.
        findings: what was found about the runs.

    Returns:
        The tables as text, but for those that stand beside another, and where all were written.
    """
    from multirun_analysis.grids import told

    folder = folder_of(command, name)
    folder.mkdir(parents=True, exist_ok=True)
    tables = [_shown_if_asked(table, command) for table in told(tables, findings)]
    for table in tables:
        for ending, text in (("md", table.markdown()), ("tex", table.latex()), ("csv", table.csv())):
            write_text(folder / f"{table.name}.{ending}", text)
    beside = ", ".join(table.name for table in tables if table.aside)
    also = f", with {beside}" if beside else ""
    return "\n".join([*(table.markdown() for table in tables if not table.aside), f"Written to {folder}{also}."])


def _shown_if_asked(table: Table, command: CommandLine) -> Table:
    """A table; that of intervals over speakers no longer stands aside if it was asked for."""
    shown = command.options["interval"] == "speakers" and table.name.endswith(("_intervals", "_speakers"))
    return replace(table, aside=False) if shown else table


def write_drawings(
    drawings: Sequence[Drawing | LearningCurves], command: CommandLine, name: str, findings: Sequence[Finding] = ()
) -> str:
    """Write figures as PNG and PDF, and their numbers as tables; arguments and result as in ``write_tables``."""
    from multirun_analysis.grids import told
    from multirun_analysis.output.figures import save

    drawings = told(drawings, findings)
    for drawing in drawings:
        save(drawing, folder_of(command, name))
    return write_tables([drawing.table() for drawing in drawings], command, name)


def with_findings(findings: Sequence[Finding], text: str) -> str:
    """A text below a line for each finding about the runs."""
    return "\n".join([*(f"{finding.severity.upper()}: {finding.text}" for finding in findings), text])
