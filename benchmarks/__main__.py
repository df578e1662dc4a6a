"""``python -m benchmarks``: every measurement in one run, as Markdown tables.

only=replicas,startup   some of them: replicas, limit, split, scaling, features, startup, tracking, store, queue, stack
quick=true              fewer repetitions
json=path               the figures as numbers, too
"""

import importlib
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Options, Section
from ser.config.words import assignments
from ser.errors import UserError

NAMES = ("replicas", "limit", "split", "scaling", "features", "startup", "tracking", "store", "queue", "stack")


def main(arguments: Sequence[str]) -> None:
    """Measure what was asked for, print each table as it is ready."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__)
        return
    try:
        given = assignments(arguments, {"only": ",".join(NAMES), "quick": "false", "json": ""})
    except UserError as error:
        sys.exit(f"{error}\n{__doc__}")
    names, quick, path = given["only"].split(","), given["quick"] == "true", given["json"]
    if not set(names) <= set(NAMES):
        sys.exit(__doc__)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        sections = measure([name for name in NAMES if name in names], Options(quick, Path(folder)))
    print(f"Measured in {time.perf_counter() - began:.0f} s{' (quick=true: a rough look)' if quick else ''}.")
    if path:
        values = {name: section.values for name, section in sections.items()}
        Path(path).write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def measure(names: Sequence[str], options: Options) -> dict[str, Section]:
    """Run the measurements one after another; with (a) the extrapolation at the end."""
    from benchmarks import extrapolation, machine

    sections = {"machine": _show(machine.describe())}
    for name in names:
        sections[name] = _show(importlib.import_module(f"benchmarks.{name}").measure(options))
    if "replicas" in sections:
        sections["paper"] = _show(extrapolation.section(sections["replicas"], sections.get("stack")))
    return sections


def _show(section: Section) -> Section:
    print(section.text(), flush=True)
    return section


if __name__ == "__main__":
    main(sys.argv[1:])
