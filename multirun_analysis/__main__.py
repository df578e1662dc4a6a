"""``python -m multirun_analysis``: tables and figures from the tracking store, of the paper or of any sweep."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from multirun_analysis.sweeps import of_sweeps
from multirun_analysis.writing import (
    CommandLine,
    folder_of,
    refuse_intervals,
    refuse_unless_shouting,
    with_findings,
    write_drawings,
    write_tables,
)
from ser.config.words import by_key, key_of
from ser.errors import UserError
from ser.system.command import run_command
from ser.system.files import write_text

if TYPE_CHECKING:  # these modules import pandas, scipy and matplotlib, which --help and a list of sweeps do without
    from multirun_analysis.audit.findings import Finding
    from multirun_analysis.grids import Study
    from multirun_analysis.output.drawings import Drawing
    from multirun_analysis.output.tables import Table

_HELP = """Tables and figures from the tracking store (MLflow), with intervals over seeds. Nothing is trained.

  python -m multirun_analysis table3 corpus=emodb corpus.root=... repeats=5    the runs of the same ser.run overrides
  python -m multirun_analysis report corpus=emodb corpus.root=... repeats=5    everything, as one report.html
  python -m multirun_analysis robustness corpus=emodb corpus.root=... repeats=3    the claims over variants of what the
                                                           paper leaves open; show=commands: what trains these
  python -m multirun_analysis                              the names of all sweeps
  python -m multirun_analysis sweep=NAME                   one sweep: its closing table
  python -m multirun_analysis sweep=NAME by=loss,lambda    a row for each loss and lambda, averaged over all other keys;
                                                           against=none,0: compared with that row; metric=uwa
  python -m multirun_analysis sweep=NAME over=lambda       a picture of WA over lambda, and what can be told apart
                                                           (sweep=last: the sweep that was started last)
                                                           by=loss too: a curve for each loss; metric=uwa
  python -m multirun_analysis sweep=NAME over=epoch        its learning curves
  python -m multirun_analysis sweep=NAME by=lambda where='loss=cos,l2 feature=mfcc'    of these configurations only; so
                                                           with over= and for the closing table

Of the paper there are table1, table2, table3, fig2, fig3, fig4, e2e, claims and report. They take every override of
ser.run, and read the runs that ser.run trains with the same overrides. To give an override to a single experiment, put
the experiment's name before it: fig2:length=1,2,3 (experiments: baseline, fig2, table2, fig3, fig4; of table3 also
attentive and multi_view; of e2e: baseline, contrastive, e2e).

  out=FOLDER           where files are written (default: reports/<corpus>)
  interval=speakers    show the intervals over speakers of each row, too, which are written to ..._intervals in any case
  audit=shout          make tables of runs that should not be compared, and say so in each (default: refuse)
  results.dir=DIR, tracking.uri=URI, tracking.experiment=NAME, as for ser.run"""

EXPERIMENTS = {
    "table1": (),
    "table2": ("table2",),
    "table3": ("baseline", "fig3", "fig4"),
    "fig2": ("fig2",),
    "fig3": ("fig3",),
    "fig4": ("fig4",),
    "claims": ("fig2", "table2", "baseline", "fig3", "fig4"),
    "report": ("fig2", "table2", "baseline", "fig3", "fig4"),
    "e2e": ("baseline", "contrastive", "e2e"),
}
"""What can be made of the paper, and the experiments from whose runs it is made."""

_SETTING = ("loader", "position", "loss", "lambda")
AXES = {
    "table2": ("aux_task", "aux_task.weight"),
    "table3": _SETTING,
    "fig2": ("feature", "length"),
    "fig3": _SETTING,
    "fig4": _SETTING,
    "e2e": (*_SETTING, "feature", "length", "model", "model.hidden"),
}
"""The parameters that determine the place of a point in a table or figure."""

OPTIONAL: Mapping[str, Mapping[str, Sequence[str]]] = {
    "table3": {"attentive": ("model",), "multi_view": ("model", "aux_task", "aux_task.weight")}
}
"""Experiments that a table shows if anything of them was trained, and the parameters in which their points differ
besides ``AXES``."""

_OPTIONS = ("out", "audit", "interval")


def cli() -> NoReturn:
    """Print what the command line asks for, and exit (``run_command``)."""
    run_command(lambda: print(main(sys.argv[1:]), flush=True))


def main(arguments: Sequence[str]) -> str:
    """Make what a command line asks for, and write its files.

    Args:
        arguments: the command line.

    Returns:
        The text to be shown.

    Raises:
        UserError: a word or key is unknown, a sweep or store does not exist, or runs cannot be compared.
    """
    if {"-h", "--help"} & set(arguments):
        return _HELP
    from ser.sweep.commandline import hide_password

    arguments = hide_password(arguments)
    if "robustness" in arguments:
        return _robustness([argument for argument in arguments if argument != "robustness"])
    command = _parsed(arguments)
    return _of_paper(command) if command.what else of_sweeps(command)


def _robustness(arguments: Sequence[str]) -> str:
    """The claims over variants of what the paper leaves open, or the commands that train these."""
    from multirun_analysis.robustness.command import OPTIONS, commands, robustness, show
    from multirun_analysis.robustness.tables import tables

    command = _parsed(arguments, more=OPTIONS)
    if command.what:
        raise UserError(f"{command.what} robustness: make one at a time.")
    if show(command.options) == "commands":
        return commands(command.overrides, command.options)
    judged = robustness(command.overrides, command.options)
    study = judged.study
    refuse_unless_shouting(study, command)
    return with_findings(study.findings, write_tables(tables(judged), command, study.name, study.findings))


def _parsed(arguments: Sequence[str], more: Sequence[str] = ()) -> CommandLine:
    words = [argument for argument in arguments if "=" not in argument]
    if len(words) > 1 or not set(words) <= EXPERIMENTS.keys():
        wrong = next((word for word in words if word not in EXPERIMENTS), " ".join(words))
        raise UserError(f"{wrong}: give one of {', '.join(EXPERIMENTS)}, or sweep=NAME. See --help.")
    options = dict(argument.split("=", 1) for argument in arguments if argument.partition("=")[0] in (*_OPTIONS, *more))
    if options.setdefault("audit", "refuse") not in ("refuse", "shout"):
        raise UserError(f"audit must be refuse or shout, got {options['audit']}.")
    if options.setdefault("interval", "seeds") not in ("seeds", "speakers"):
        raise UserError(f"interval must be seeds or speakers, got {options['interval']}.")
    overrides = [argument for argument in arguments if "=" in argument and argument.partition("=")[0] not in options]
    known = dict.fromkeys(name for what in ("report", *EXPERIMENTS) for name in _experiments(what))
    for scope in {_scope(override) for override in overrides} - {"", *known}:
        experiments = ", ".join(known)
        raise UserError(f"{scope}: is no experiment. An override is for one of {experiments}, or for all.")
    _refuse_another_experiment(words, overrides)
    return CommandLine(words[0] if words else "", overrides, options)


def _refuse_another_experiment(words: Sequence[str], overrides: Sequence[str]) -> None:
    """An override of the experiment itself would make one table of the paper from the runs of another."""
    keys = [key_of(_unscoped(override)) for override in overrides]
    if words and "experiment" in keys:
        given = overrides[keys.index("experiment")]
        raise UserError(
            f"{given}: {words[0]} is made from the experiments {', '.join(EXPERIMENTS[words[0]]) or 'baseline'}, and "
            "these cannot be replaced. Leave it out, or use sweep=NAME by=KEYS for another sweep."
        )


def _of_paper(command: CommandLine) -> str:
    """Make one of the paper's tables or figures, or all of them."""
    if command.what not in ("table2", "table3", "report"):
        refuse_intervals(command, f"{command.what} has no table of them: there are those of table2 and table3")
    if command.what == "table1":
        return write_tables([_table1(command)], command, "network")
    if command.what in ("claims", "report"):
        make = _claims if command.what == "claims" else _report
        return make(command)
    study = _study(command.what, command)
    if command.what in _TABLES:
        text = write_tables(_paper_tables(command.what, study), command, study.name, study.findings)
        text = "\n".join([text, *(f"Not trained: {how}" for how in study.not_trained.values())])
    else:
        text = _figure(command, study)
    return with_findings(study.findings, text)


def _claims(command: CommandLine) -> str:
    from multirun_analysis.paper.claims import all_claims
    from multirun_analysis.paper.verdicts import verdict_table, verdicts

    studies, findings = _studies_of_all(command)
    settings = studies[-1]
    claims = verdict_table(verdicts(all_claims(*studies)), settings.corpus)
    return with_findings(findings, write_tables([claims], command, settings.name, findings))


def _report(command: CommandLine) -> str:
    from multirun_analysis.paper.report import make_report

    network = _network(command)  # it may be refused, and the studies take long
    studies, findings = _studies_of_all(command)
    name = studies[-1].name
    report = make_report(network, *studies, _over_variants(command))
    written = write_tables([*report.tables, report.verdicts], command, name)
    drawn = write_drawings(report.drawings, command, name)
    page = folder_of(command, name) / "report.html"
    write_text(page, report.html())
    return with_findings(findings, f"{written}\n{drawn}\nThe report: {page}")


def _studies_of_all(command: CommandLine) -> tuple[tuple[Study, Study, Study], list[Finding]]:
    """The studies behind Fig. 2, Table 2 and Table 3, and what was found about the runs of any."""
    from multirun_analysis.audit.findings import together

    lengths, tasks, settings = (_study(what, command) for what in ("fig2", "table2", "table3"))
    return (lengths, tasks, settings), together([*lengths.findings, *tasks.findings, *settings.findings])


def _over_variants(command: CommandLine) -> Table | None:
    """The claims over variants of what the paper leaves open, if ``make robustness`` was run."""
    from multirun_analysis.grids import told
    from multirun_analysis.robustness.command import for_report
    from multirun_analysis.robustness.tables import claims

    judged = for_report([override for override in command.overrides if not _scope(override)])
    return told([claims(judged)], judged.study.findings)[0] if judged else None


def _table1(command: CommandLine) -> Table:
    from multirun_analysis.paper.network import table1

    return table1(_overrides_for("baseline", command.overrides))


def _network(command: CommandLine) -> Table | None:
    """Table 1, unless the overrides choose another model than the paper's."""
    return _table1(command) if by_key(command.overrides).get("model", "cnn") == "cnn" else None


_TABLES = ("table2", "table3", "e2e")


def _paper_tables(what: str, study: Study) -> list[Table]:
    from multirun_analysis.paper.spread import e2e
    from multirun_analysis.paper.tables import table2, table3

    return {"table2": table2, "table3": table3, "e2e": e2e}[what](study)


def _figure(command: CommandLine, study: Study) -> str:
    """Draw one of the paper's figures, and write beside it how its trainings went."""
    from multirun_analysis.paper.curves import convergence_table, fig2, fig3, fig4

    make: Mapping[str, Callable[[Study], Drawing]] = {"fig2": fig2, "fig3": fig3, "fig4": fig4}
    drawn = write_drawings([make[command.what](study)], command, study.name, study.findings)
    beside = write_tables([convergence_table(command.what, study)], command, study.name, study.findings)
    return f"{drawn}\n{beside}"


def _study(what: str, command: CommandLine) -> Study:
    """Read the runs from which something is made; refuse if they cannot be compared."""
    from multirun_analysis.paper.study import make_paper_study

    overrides = {name: _overrides_for(name, command.overrides) for name in _experiments(what)}
    study = make_paper_study(overrides, AXES[what], OPTIONAL.get(what))
    refuse_unless_shouting(study, command)
    return study


def _experiments(what: str) -> list[str]:
    """The experiments from whose runs something is made, those that may lack among them."""
    return [*EXPERIMENTS[what], *OPTIONAL.get(what, ())]


def _overrides_for(experiment: str, overrides: Sequence[str]) -> list[str]:
    """The overrides for all experiments, then those for one: ``length=1`` from ``fig2:length=1``."""
    scoped = [_unscoped(override) for override in overrides if _scope(override) == experiment]
    return [*(override for override in overrides if not _scope(override)), *scoped]


def _scope(override: str) -> str:
    """The experiment that an override is for: ``fig2`` of ``fig2:length=1``; empty if it is for all."""
    scope, colon, _ = override.partition("=")[0].partition(":")
    return scope if colon else ""


def _unscoped(override: str) -> str:
    """The override without the experiment that it is for."""
    return override.partition(":")[2] if _scope(override) else override


if __name__ == "__main__":
    cli()
