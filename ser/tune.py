"""``python -m ser.tune``: search for the values with the best validation accuracy, of one method or of several."""

import logging
import os
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ser.config.words import assignments, key_of
from ser.errors import UserError
from ser.sweep import commandline
from ser.sweep.handover import COMMAND, STARTED
from ser.sweep.hydra_internals import parse_flags
from ser.system.command import run_command
from ser.system.progress import ConsoleHandler

if TYPE_CHECKING:  # help is shown without Hydra's composition
    from ser.sweep.tuning import Budget

_HELP = """Search for the values with the best validation accuracy.

  python -m ser.tune 'lambda=interval(0.3,0.95)' 'loss.margin=interval(-0.5,0.9)' trials=20 corpus=emodb
  python -m ser.tune loss=cos,l2,supcon 'trainer.lr=tag(log,interval(1e-5,1e-2))'
  python -m ser.tune compare=losses trials=20 seeds=20 corpus=emodb

Overrides are those of ser.run, dry_run=true among them. Searched are intervals, lists and ranges. Also:
    trials=20       how many configurations are tried
    together=4      how many are proposed at a time; another number proposes others
    search_seed=0   another seed proposes others
    compare=losses  searches each alternative of conf/comparison/losses.yaml, or of a YAML file of yours, with as many
                    trials each, and trains what was chosen with seeds=20 seeds that no search has used

The trials are a sweep: the same command goes on where it stopped, and MLflow and multirun_analysis have the runs."""

_NUMBERS = {"trials": "20", "together": "4", "search_seed": "0", "seeds": "20"}
_OWN = {**_NUMBERS, "compare": ""}


def main(arguments: list[str] | None = None) -> None:
    """Search, and print the trials and what was chosen.

    The exit status is 0 if a trial has a result, 1 if none has or a result cannot be stored, and otherwise as
    ``run_command`` says.
    """
    given = sys.argv[1:] if arguments is None else arguments
    run_command(lambda: _tune(given), "Stopped. Finished trainings are kept: the same command goes on from here.")


def _tune(arguments: list[str]) -> int:
    if {"-h", "--help"} & set(arguments):
        print(_HELP)
        return 0
    own = [each for each in arguments if each.partition("=")[0] in _OWN]
    given = assignments(own, _OWN)
    numbers = {key: _number(key, given[key]) for key in _NUMBERS}
    typed = commandline.hide_password([each for each in arguments if each not in own])
    os.environ[COMMAND] = shlex.join(["python", "-m", "ser.tune", *own, *typed])
    args = parse_flags(commandline.rewrite(typed))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ConsoleHandler()])
    os.environ[STARTED] = str(time.time())
    from ser.sweep.job import NotStoredError
    from ser.sweep.tuning import Budget

    dry = commandline.take_dry_run(args.overrides)
    budget = Budget(numbers["trials"], numbers["together"], numbers["search_seed"], args.config_dir)
    try:
        if given["compare"]:
            return _compare(given["compare"], args.overrides, budget, numbers["seeds"], dry)
        return _search(args.overrides, budget, dry)
    except NotStoredError as error:  # after the start: failed, not refused
        print(error, file=sys.stderr)
        return 1


def _search(overrides: list[str], budget: "Budget", dry: bool) -> int:
    from ser.sweep import tuning
    from ser.sweep.naming import sweep_name
    from ser.sweep.places import check_places

    if not any(key_of(override) == "sweep" for override in overrides):
        overrides = [*overrides, f"sweep=tune-{sweep_name(overrides)}"]
    search = tuning.make_search(overrides, budget)
    if not search.dimensions:
        raise UserError(
            "Nothing is searched: give a key an interval, 'lambda=interval(0.3,0.95)', or a list, loss.margin=0.1,0.2."
        )
    check_places(tuning.check(search), {})
    if dry:
        print(tuning.preview(search))
        return 0
    trials = tuning.tune(search)
    print(f"\n{tuning.table(search, trials)}\n")
    best = tuning.best_of(trials)
    if best is None:
        print("No trial has a result: the reasons stand above.", file=sys.stderr)
        return 1
    print(tuning.chosen(search, best), flush=True)
    return 0


def _compare(source: str, overrides: list[str], budget: "Budget", seeds: int, dry: bool) -> int:
    from ser.sweep.comparison import compare, make_comparison, preview

    named = [override for override in overrides if key_of(override) == "sweep"]
    others = [override for override in overrides if override not in named]
    name = named[-1].partition("=")[2] if named else Path(source).stem
    comparison = make_comparison(source, others, budget, seeds, name)
    if dry:
        print(preview(comparison))
        return 0
    return compare(comparison)


def _number(key: str, value: str) -> int:
    least = 0 if key == "search_seed" else 1
    if not value.isdecimal() or int(value) < least:
        raise UserError(
            f"{key}={value} is not valid. Give a whole number of at least {least}, such as {key}={_NUMBERS[key]}."
        )
    return int(value)


if __name__ == "__main__":
    main()
