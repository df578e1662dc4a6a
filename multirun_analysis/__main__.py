"""``python -m multirun_analysis``: tables and figures from the tracking store, of the paper or of any sweep."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ser.config.words import GROUP_OF, as_typed
from ser.errors import UserError
from ser.system.command import run_command
from ser.system.files import write_text
from ser.system.text import aligned

if TYPE_CHECKING:  # these modules import pandas, scipy and matplotlib, which --help and a list of sweeps do without
    from multirun_analysis.audit import Finding
    from multirun_analysis.grids import Shown, Study
    from multirun_analysis.output.drawings import Drawing, LearningCurves
    from multirun_analysis.output.tables import Table
    from ser.sweep.plan import Plan

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
                                                           by=loss too: a curve for each loss
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
_SWEEP_KEYS = (
    "sweep", "by", "against", "metric", "over", "where", "results.dir", "tracking.uri", "tracking.experiment",
)  # fmt: skip


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
    return _of_paper(command) if command.what else _of_sweeps(command)


def _refuse_intervals(command: CommandLine, why: str) -> None:
    if command.options["interval"] != "seeds":
        raise UserError(f"interval={command.options['interval']}: {why}.")


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
    _refuse_unless_shouting(study, command)
    return _with_findings(study.findings, _written(tables(judged), command, study.name, study.findings))


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
    keys = [override.partition("=")[0].rpartition(":")[2].lstrip("+~") for override in overrides]
    if words and "experiment" in keys:
        given = overrides[keys.index("experiment")]
        raise UserError(
            f"{given}: {words[0]} is made from the experiments {', '.join(EXPERIMENTS[words[0]]) or 'baseline'}, and "
            "these cannot be replaced. Leave it out, or use sweep=NAME by=KEYS for another sweep."
        )


def _of_paper(command: CommandLine) -> str:
    """Make one of the paper's tables or figures, or all of them."""
    if command.what not in ("table2", "table3", "report"):
        _refuse_intervals(command, f"{command.what} has no table of them: there are those of table2 and table3")
    if command.what == "table1":
        return _written([_table1(command)], command, "network")
    if command.what in ("claims", "report"):
        return _claims_or_report(command)
    study = _study(command.what, command)
    if command.what in _TABLES:
        text = _written(_paper_tables(command.what, study), command, study.name, study.findings)
        text = "\n".join([text, *(f"Not trained: {how}" for how in study.not_trained.values())])
    else:
        text = _figure(command, study)
    return _with_findings(study.findings, text)


def _claims_or_report(command: CommandLine) -> str:
    from multirun_analysis.audit import together

    network = _network(command) if command.what == "report" else None
    lengths, tasks, settings = (_study(what, command) for what in ("fig2", "table2", "table3"))
    findings = together([*lengths.findings, *tasks.findings, *settings.findings])
    name = settings.name
    if command.what == "claims":
        from multirun_analysis.paper.claims import all_claims, verdict_table, verdicts

        claims = verdict_table(verdicts(all_claims(lengths, tasks, settings)), settings.corpus)
        return _with_findings(findings, _written([claims], command, name, findings))
    from multirun_analysis.paper.report import make_report

    report = make_report(network, lengths, tasks, settings, _over_variants(command))
    written = _written([*report.tables, report.verdicts], command, name)
    drawn = _drawn(report.drawings, command, name)
    page = _folder(command, name) / "report.html"
    write_text(page, report.html())
    return _with_findings(findings, f"{written}\n{drawn}\nThe report: {page}")


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
    other = any(override.startswith("model=") and override != "model=cnn" for override in command.overrides)
    return None if other else _table1(command)


_TABLES = ("table2", "table3", "e2e")


def _paper_tables(what: str, study: Study) -> list[Table]:
    from multirun_analysis.paper.spread import e2e
    from multirun_analysis.paper.tables import table2, table3

    return {"table2": table2, "table3": table3, "e2e": e2e}[what](study)


def _figure(command: CommandLine, study: Study) -> str:
    """Draw one of the paper's figures, and write beside it how its trainings went."""
    from multirun_analysis.paper.curves import convergence_table, fig2, fig3, fig4

    make: Mapping[str, Callable[[Study], Drawing]] = {"fig2": fig2, "fig3": fig3, "fig4": fig4}
    drawn = _drawn([make[command.what](study)], command, study.name, study.findings)
    beside = _written([convergence_table(command.what, study)], command, study.name, study.findings)
    return f"{drawn}\n{beside}"


def _study(what: str, command: CommandLine) -> Study:
    """Read the runs from which something is made; refuse if they cannot be compared."""
    from multirun_analysis.paper.study import make_paper_study

    overrides = {name: _overrides_for(name, command.overrides) for name in _experiments(what)}
    study = make_paper_study(overrides, AXES[what], OPTIONAL.get(what))
    _refuse_unless_shouting(study, command)
    return study


def _refuse_unless_shouting(study: Study, command: CommandLine) -> None:
    from multirun_analysis.grids import refuse

    if command.options["audit"] == "refuse":
        refuse(study.findings)


def _experiments(what: str) -> list[str]:
    """The experiments from whose runs something is made, those that may lack among them."""
    return [*EXPERIMENTS[what], *OPTIONAL.get(what, ())]


def _overrides_for(experiment: str, overrides: Sequence[str]) -> list[str]:
    """The overrides for all experiments, then those for one: ``length=1`` from ``fig2:length=1``."""
    scoped = [override.partition(":")[2] for override in overrides if _scope(override) == experiment]
    return [*(override for override in overrides if not _scope(override)), *scoped]


def _scope(override: str) -> str:
    """The experiment that an override is for: ``fig2`` of ``fig2:length=1``; empty if it is for all."""
    scope, colon, _ = override.partition("=")[0].partition(":")
    return scope if colon else ""


def _folder(command: CommandLine, name: str) -> Path:
    return Path(command.options.get("out") or f"reports/{name}")


def _written(tables: Sequence[Table], command: CommandLine, name: str, findings: Sequence[Finding] = ()) -> str:
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

    folder = _folder(command, name)
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
    shown = command.options["interval"] == "speakers" and "_intervals" in table.name
    return replace(table, aside=False) if shown else table


def _drawn(
    drawings: Sequence[Drawing | LearningCurves], command: CommandLine, name: str, findings: Sequence[Finding] = ()
) -> str:
    """Write figures as PNG and PDF, and their numbers as tables; arguments and result as in ``_written``."""
    from multirun_analysis.grids import told
    from multirun_analysis.output.figures import save

    drawings = told(drawings, findings)
    for drawing in drawings:
        save(drawing, _folder(command, name))
    return _written([drawing.table() for drawing in drawings], command, name)


def _with_findings(findings: Sequence[Finding], text: str) -> str:
    return "\n".join([*(f"{finding.severity.upper()}: {finding.text}" for finding in findings), text])


def _of_sweeps(command: CommandLine) -> str:
    """A list of all sweeps; or one sweep, from its result files or, with ``by``, from the tracking store."""
    given = dict(override.split("=", 1) for override in command.overrides)
    _refuse_without_effect(given)
    if "over" in given or "by" not in given:
        _refuse_intervals(command, "these are beside the tables of by=KEYS")
    unknown = sorted(given.keys() - set(_SWEEP_KEYS))
    if unknown:
        raise UserError(f"{unknown[0]} is no key for a sweep: there are {', '.join(_SWEEP_KEYS)}, out and audit.")
    results = Path(given.get("results.dir", "results"))
    if "sweep" in given:
        return _of_sweep(results, given, command)
    others = sorted(given.keys() - {"results.dir"})
    if others:
        raise UserError(f"{others[0]}= is for one sweep: add sweep=NAME.")
    from ser.sweep.plan import sweep_names
    from ser.sweep.table import overview

    names = sweep_names(results)
    if not names:
        return f"There are no sweeps in {results}."
    return overview(results, names)


def _refuse_without_effect(given: Mapping[str, str]) -> None:
    """Refuse what belongs to tables by keys where no such table is made: WA would be shown for another metric."""
    for key in ("against", "metric"):
        if key in given and ("over" in given or "by" not in given):
            raise UserError(f"{key}={given[key]} is for the tables of by=KEYS, without over=.")


def _of_sweep(results: Path, given: Mapping[str, str], command: CommandLine) -> str:
    """One sweep.

    Args:
        results: the folder of results.
        given: the values of ``_SWEEP_KEYS`` that were given.
        command: the command line.
    """
    from ser.sweep.plan import find_plans

    plans = find_plans(results, given["sweep"])
    given = {**given, "sweep": plans[-1].name}
    if "by" in given or "over" in given:
        return _by(plans, given, command)
    from multirun_analysis.where import narrowed
    from ser.results.store import ResultStore
    from ser.sweep.table import table

    if "where" in given:
        plans = [narrowed(plans[-1], given["where"])]
    return "\n\n".join(f"{_typed(plan)}\n{table(plan, ResultStore(plan.results))}" for plan in plans)


def _by(plans: Sequence[Plan], given: Mapping[str, str], command: CommandLine) -> str:
    """The newest command line of a sweep, by the keys that were given, from the tracking store."""
    from multirun_analysis.by import tables
    from multirun_analysis.grids import make_study
    from multirun_analysis.where import narrowed

    plan = narrowed(plans[-1], given.get("where", ""))
    study = make_study([plan], given.get("tracking.uri"), given.get("tracking.experiment"))
    _refuse_unless_shouting(study, command)
    if "over" in given:
        return _over(study, given, command)
    compared = given.get("against", ""), given.get("metric", "wa")
    made = _marked(tables(study, given["sweep"], given["by"].split(","), *compared), given)
    written = _written(made, command, study.name, study.findings)
    text = _with_findings(study.findings, written)
    newest = f"The newest of {len(plans)} command lines of that name: {_typed(plans[-1])}\n"
    return newest + text if len(plans) > 1 else text


def _typed(plan: Plan) -> str:
    """A sweep's command line as users type it."""
    return " ".join(map(as_typed, plan.overrides))


def _marked(items: Sequence[Shown], given: Mapping[str, str]) -> list[Shown]:
    """Tables and figures that say which part of the sweep they are of, in their titles and the names of their files."""
    from dataclasses import replace

    where = " ".join(given.get("where", "").split())
    if not where:
        return list(items)
    end = re.sub(r"[^\w.+-]+", "-", where)
    return [replace(item, name=f"{item.name}_where_{end}", title=f"{item.title}, {where} only") for item in items]


def _over(study: Study, given: Mapping[str, str], command: CommandLine) -> str:
    """A picture of a sweep over a number or over the epochs, with its table, its reading, and what to try next."""
    from multirun_analysis.over import draw, learning

    name, over, by = given["sweep"], given["over"], [key for key in given.get("by", "").split(",") if key]
    if over == "epoch" and by:
        raise UserError("over=epoch draws each configuration by itself: leave by= out, or choose some with where=.")
    (drawing,) = _marked([learning(study, name) if over == "epoch" else draw(study, name, over, by)], given)
    written = _drawn([drawing], command, study.name, study.findings)
    keys = ",".join(GROUP_OF.get(key, key) for key in study.swept)
    places = [f"{key}={given[key]}" for key in ("results.dir", "tracking.uri", "tracking.experiment") if key in given]
    rows = shlex.join(["python", "-m", "multirun_analysis", f"sweep={name}", f"by={keys}", *places])
    following = [
        [rows, "# every row, with paired tests and recall"],
        ["python -m ser.ui", "# the runs in MLflow's page"],
        ["python -m ser.run --help", "# what else can be swept, and on which corpora"],
    ]
    picture = f"The picture: {_folder(command, study.name) / drawing.name}.png"
    return _with_findings(study.findings, f"{written}\n{picture}\n\nNext:\n{aligned(following)}")


if __name__ == "__main__":
    cli()
