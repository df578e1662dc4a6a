"""``python -m ser.tune``: search for the values with the best validation accuracy."""

import logging
import os
import sys
import time

from ser.config.words import assignments
from ser.errors import UserError
from ser.sweep import commandline
from ser.sweep.handover import STARTED
from ser.sweep.hydra_internals import parse_flags
from ser.system.command import run_command
from ser.system.progress import ConsoleHandler

_HELP = """Search for the values with the best validation accuracy; the test utterances have no part in it.

  python -m ser.tune 'lambda=interval(0.3,0.95)' 'loss.margin=interval(-0.5,0.9)' trials=20 corpus=emodb
  python -m ser.tune loss=cos,l2,supcon 'trainer.lr=tag(log,interval(1e-5,1e-2))'

Overrides are those of ser.run. Searched are intervals, lists and ranges. Also:
    trials=20       how many configurations are tried
    together=4      how many are proposed at a time; another number proposes others
    search_seed=0   another seed proposes others

The trials are a sweep: the same command goes on where it stopped, and MLflow and multirun_analysis have the runs."""

_OWN = {"trials": "20", "together": "4", "search_seed": "0"}


def main(arguments: list[str] | None = None) -> None:
    """Search, and print the trials and what was chosen.

    The exit status is 0 if a trial has a result, 1 if none has, and otherwise as ``run_command`` says.
    """
    given = sys.argv[1:] if arguments is None else arguments
    run_command(lambda: _tune(given), "Stopped. Finished trainings are kept: the same command goes on from here.")


def _tune(arguments: list[str]) -> int:
    if {"-h", "--help"} & set(arguments):
        print(_HELP)
        return 0
    own = [each for each in arguments if each.partition("=")[0] in _OWN]
    numbers = {key: _number(key, value) for key, value in assignments(own, _OWN).items()}
    args = parse_flags(commandline.rewrite([each for each in arguments if each not in own]))
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ConsoleHandler()])
    os.environ[STARTED] = str(time.time())
    from ser.sweep import tuning
    from ser.sweep.plan import sweep_name
    from ser.sweep.search_space import search_space

    overrides = args.overrides
    if not any(override.startswith("sweep=") for override in overrides):
        overrides = [*overrides, f"sweep=tune-{sweep_name(overrides)}"]
    dimensions, fixed = search_space(overrides)
    search = tuning.Search(
        dimensions, fixed, numbers["trials"], numbers["together"], numbers["search_seed"], args.config_dir
    )
    tuning.check(search)
    trials = tuning.tune(search)
    print(f"\n{tuning.table(search, trials)}\n")
    best = tuning.best_of(trials)
    if best is None:
        print("No trial has a result: the reasons stand above.", file=sys.stderr)
        return 1
    print(tuning.chosen(search, best), flush=True)
    return 0


def _number(key: str, value: str) -> int:
    if not value.isdecimal() or (key != "search_seed" and int(value) < 1):
        raise UserError(f"{key}={value} is not a number of that kind. Give a whole number, such as {key}={_OWN[key]}.")
    return int(value)


if __name__ == "__main__":
    main()
