"""``python -m multirun_analysis``: the paper's tables and figures, a report, or any sweep, from the tracking store."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ser.errors import UserError, told_to_user

if TYPE_CHECKING:  # pandas, scipy and matplotlib are imported late: --help does without them
    from multirun_analysis.audit import Finding
    from multirun_analysis.grids import Study
    from multirun_analysis.output.tables import Table
    from multirun_analysis.paper.curves import Drawing
    from ser.sweep.plan import Plan

_HELP = """Tables and figures from the tracking store (MLflow), with intervals over seeds; nothing is trained.

  python -m multirun_analysis table3 corpus=emodb corpus.root=... repeats=5    the runs of the same ser.run overrides
  python -m multirun_analysis report corpus=emodb corpus.root=... repeats=5    everything, as one report.html
  python -m multirun_analysis                              the sweeps there are
  python -m multirun_analysis sweep=NAME                   one of them, by what was swept
  python -m multirun_analysis sweep=NAME by=loss,lambda    the same, averaged within each seed over all else

Of the paper: table1, table2, table3, fig2, fig3, fig4, claims, report. They take any override of ser.run and select the
grid that it gives; one for a single experiment has its name before it: fig2:length=1,2,3 (experiments: baseline, fig2,
table2, fig3, fig4).

  out=FOLDER           where files are written (default: reports/<corpus>)
  audit=shout          make tables of runs that should not be compared, and say so (default: refuse)
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
}
"""What can be made, and the experiments whose runs it is read from."""

_SETTING = ("loader", "position", "loss", "lambda")
AXES = {
    "table2": ("aux_task", "aux_task.weight"),
    "table3": _SETTING,
    "fig2": ("feature", "length"),
    "fig3": _SETTING,
    "fig4": _SETTING,
}
"""The parameters that say where a cell stands."""

_SWEEP_KEYS = ("sweep", "by", "results.dir", "tracking.uri", "tracking.experiment")


class Asked(NamedTuple):
    """A command line, taken apart."""

    what: str
    overrides: list[str]
    own: dict[str, str]


def main(arguments: Sequence[str]) -> str:
    """What a command line asks for, as text; files are written besides.

    Raises:
        UserError: an unknown word or key, a sweep that is not there, or runs that cannot be compared.
    """
    if {"-h", "--help"} & set(arguments):
        return _HELP
    asked = _asked(arguments)
    if asked.what in EXPERIMENTS:
        return _paper(asked)
    return _sweeps(asked)


def _asked(arguments: Sequence[str]) -> Asked:
    words = [argument for argument in arguments if "=" not in argument]
    if len(words) > 1 or not set(words) <= EXPERIMENTS.keys():
        wrong = next((word for word in words if word not in EXPERIMENTS), " ".join(words))
        raise UserError(f"{wrong}: give one of {', '.join(EXPERIMENTS)}, or sweep=NAME. See --help.")
    own = dict(argument.split("=", 1) for argument in arguments if argument.partition("=")[0] in ("out", "audit"))
    if own.setdefault("audit", "refuse") not in ("refuse", "shout"):
        raise UserError(f"audit must be refuse or shout, got {own['audit']}.")
    overrides = [argument for argument in arguments if "=" in argument and argument.partition("=")[0] not in own]
    for scope in {_scope(override) for override in overrides} - {"", *EXPERIMENTS["report"]}:
        raise UserError(
            f"{scope}: is no experiment. An override is for {', '.join(EXPERIMENTS['report'])}, or for all."
        )
    return Asked(words[0] if words else "", overrides, own)


def _paper(asked: Asked) -> str:
    """One of the paper's tables or figures, or the report, as text; its files are written."""
    from multirun_analysis.paper import claims, curves, report
    from multirun_analysis.paper import tables as paper

    if asked.what == "table1":
        return _written([paper.table1(_for("baseline", asked.overrides))], asked, "network")
    tables: dict[str, Callable[[Any], list[Table]]] = {"table2": paper.table2, "table3": paper.table3}
    drawings: dict[str, Callable[[Any], Drawing]] = {"fig2": curves.fig2, "fig3": curves.fig3, "fig4": curves.fig4}
    if asked.what in tables:
        study = _study(asked.what, asked)
        return _with_findings(study.findings, _written(tables[asked.what](study), asked, study.name, study.findings))
    if asked.what in drawings:
        study = _study(asked.what, asked)
        return _with_findings(study.findings, _drawn([drawings[asked.what](study)], asked, study.name, study.findings))
    network = _network(asked)
    three = [_study(what, asked) for what in ("fig2", "table2", "table3")]
    name, findings = three[-1].name, list(dict.fromkeys(each for study in three for each in study.findings))
    if asked.what == "claims":
        verdicts = claims.table(claims.verdicts(claims.all_claims(*three)), three[-1].corpus)
        return _with_findings(findings, _written([verdicts], asked, name, findings))
    whole = report.make(network, *three)
    written = _written([*whole.tables, whole.verdicts], asked, name, findings)
    drawn = _drawn(whole.drawings, asked, name, findings)
    page = _folder(asked, name) / "report.html"
    page.write_text(whole.html(), encoding="utf-8")
    return _with_findings(findings, f"{written}\n{drawn}\nThe report: {page}")


def _network(asked: Asked) -> Table | None:
    """Table 1, if the network is the paper's."""
    from multirun_analysis.paper import tables as paper

    other = any(override.startswith("model=") and override != "model=cnn" for override in asked.overrides)
    return None if other else paper.table1(_for("baseline", asked.overrides))


def _study(what: str, asked: Asked) -> Study:
    """The runs that something is read from, unless they cannot be compared."""
    from multirun_analysis import grids

    study = grids.paper({name: _for(name, asked.overrides) for name in EXPERIMENTS[what]}, AXES[what])
    if asked.own["audit"] == "refuse":
        grids.refuse(study.findings)
    return study


def _for(experiment: str, overrides: Sequence[str]) -> list[str]:
    """The overrides that are for all experiments, then those for this one."""
    mine = [override.partition(":")[2] for override in overrides if _scope(override) == experiment]
    common = [override for override in overrides if not _scope(override)]
    return [*common, *mine]


def _scope(override: str) -> str:
    """The experiment that an override is for; empty if it is for all."""
    scope, colon, _ = override.partition("=")[0].partition(":")
    return scope if colon else ""


def _folder(asked: Asked, name: str) -> Path:
    return Path(asked.own.get("out") or f"reports/{name}")


def _written(tables: Sequence[Table], asked: Asked, name: str, findings: Sequence[Finding] = ()) -> str:
    """The tables as text; in the folder as Markdown, LaTeX and CSV. What should not be compared says so in each."""
    folder = _folder(asked, name)
    folder.mkdir(parents=True, exist_ok=True)
    shouted = tuple(f"NOT COMPARABLE: {each.text}" for each in findings if each.severity == "refuse")
    tables = [replace(table, notes=(*shouted, *table.notes)) for table in tables]
    for table in tables:
        for ending, text in (("md", table.markdown()), ("tex", table.latex()), ("csv", table.csv())):
            (folder / f"{table.name}.{ending}").write_text(text, encoding="utf-8")
    return "\n".join([*(table.markdown() for table in tables), f"Written to {folder}."])


def _drawn(drawings: Sequence[Drawing], asked: Asked, name: str, findings: Sequence[Finding]) -> str:
    """The pictures' numbers as text; in the folder the pictures and their numbers."""
    from multirun_analysis.output import figures

    refused = any(each.severity == "refuse" for each in findings)
    for drawing in drawings:
        shown = replace(drawing, title=f"{drawing.title} (NOT COMPARABLE)") if refused else drawing
        figures.save(figures.draw(shown), _folder(asked, name), drawing.name)
    return _written([drawing.table() for drawing in drawings], asked, name, findings)


def _with_findings(findings: Sequence[Finding], text: str) -> str:
    return "\n".join([*(f"{finding.severity.upper()}: {finding.text}" for finding in findings), text])


def _sweeps(asked: Asked) -> str:
    """The names of all sweeps, or one as a table: from its result files, or with ``by`` from the tracking store."""
    given = dict(override.split("=", 1) for override in asked.overrides)
    unknown = sorted(given.keys() - set(_SWEEP_KEYS))
    if unknown:
        raise UserError(f"{unknown[0]} is no key for a sweep: there are {', '.join(_SWEEP_KEYS)}, out and audit.")
    results = Path(given.get("results.dir", "results"))
    names = sorted(path.name for path in (results / "sweeps").glob("*"))
    if "sweep" not in given and given.keys() - {"results.dir"}:
        raise UserError(f"{min(given.keys() - {'results.dir'})}= is for one sweep: add sweep=NAME.")
    if "sweep" not in given:
        return "\n".join(names) or f"There are no sweeps in {results}."
    if given["sweep"] not in names:
        raise UserError(f"sweep={given['sweep']} is not in {results}. There are: {', '.join(names) or 'none'}.")
    from ser.sweep.plan import load_plans

    plans = load_plans(results, given["sweep"])
    if "by" in given:
        return _by(plans, given, asked)
    from ser.results.store import ResultStore
    from ser.sweep.table import table

    return "\n\n".join(f"{' '.join(plan.overrides)}\n{table(plan, ResultStore(plan.results))}" for plan in plans)


def _by(plans: Sequence[Plan], given: Mapping[str, str], asked: Asked) -> str:
    """The newest command line of a sweep by the keys that are given; its files are written."""
    from multirun_analysis import by as sweep
    from multirun_analysis import grids

    study = grids.study(plans[-1:], given.get("tracking.uri"), given.get("tracking.experiment", "ser"))
    if asked.own["audit"] == "refuse":
        grids.refuse(study.findings)
    tables = sweep.tables(study, given["sweep"], given["by"].split(","))
    newest = f"The newest of {len(plans)} command lines of that name: {' '.join(plans[-1].overrides)}\n"
    text = _with_findings(study.findings, _written(tables, asked, study.name, study.findings))
    return newest + text if len(plans) > 1 else text


if __name__ == "__main__":
    try:
        with told_to_user():
            print(main(sys.argv[1:]))
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
