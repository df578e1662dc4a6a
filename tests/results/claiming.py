"""Claims of another process, for the tests of what waits for them."""

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict


@contextmanager
def another_process():
    """A process of this machine that lives while the block runs."""
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def claim_for(folder, name, owner, results="results"):
    """Write a claim as another process does (``ser.system.alive.Owner``)."""
    path = folder / results / "claims" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(owner)))
    return path
