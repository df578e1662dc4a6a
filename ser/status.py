"""``python -m ser.status``: where a sweep stands, from any terminal."""

import sys

from ser.config.words import assignments
from ser.system.command import run_command
from ser.system.files import expanded

_HELP = """Where a sweep stands: planned, running (where, since when), done, failed and why, and the time left.

  python -m ser.status                                 all sweeps here, and which are running
  python -m ser.status <sweep>                         one of them; its name stands above its table
  python -m ser.status <sweep> results.dir=/path/to/results"""


def main() -> None:
    """Print where a sweep stands; the exit status is as ``run_command`` says."""
    run_command(lambda: _status(sys.argv[1:]))


def _status(arguments: list[str]) -> None:
    if {"-h", "--help"} & set(arguments):
        print(_HELP)
        return
    from ser.sweep.status import status

    named = [argument if "=" in argument else f"sweep={argument}" for argument in arguments]
    given = assignments(named, {"sweep": "", "results.dir": "results"})
    print(status(expanded(given["results.dir"]), given["sweep"] or None))


if __name__ == "__main__":
    main()
