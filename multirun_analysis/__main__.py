"""``python -m multirun_analysis sweep=<name>``: a sweep's table from the result store; without a name, the sweeps."""

import sys
from pathlib import Path

from ser.errors import UserError

_HELP = """The table of a sweep, from its result files: WA and UWA by configuration, what is missing, what failed.

  python -m multirun_analysis                             the sweeps there are
  python -m multirun_analysis sweep=loss-lambda-3f2a91    one of them
  python -m multirun_analysis sweep=fig4 results.dir=/path/to/results"""


def main(arguments: list[str]) -> str:
    """What a command line asks for, as text.

    Raises:
        UserError: an unknown key, or a sweep that is not there.
    """
    if {"-h", "--help"} & set(arguments):
        return _HELP
    given = dict(argument.partition("=")[::2] for argument in arguments)
    unknown = sorted(given.keys() - {"sweep", "results.dir"})
    if unknown:
        raise UserError(f"{unknown[0]} is no key of multirun_analysis: give sweep=<name> and results.dir=.")
    results = Path(given.get("results.dir", "results"))
    names = sorted(path.name for path in (results / "sweeps").glob("*"))
    if "sweep" not in given:
        return "\n".join(names) or f"There are no sweeps in {results}."
    if given["sweep"] not in names:
        raise UserError(f"sweep={given['sweep']} is not in {results}. There are: {', '.join(names) or 'none'}.")
    from ser.display import table
    from ser.results import Store
    from ser.sweeps import load_plans

    plans = load_plans(results, given["sweep"])
    return "\n\n".join(f"{' '.join(plan.overrides)}\n{table(plan, Store(results))}" for plan in plans)


if __name__ == "__main__":
    try:
        print(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(str(error))
