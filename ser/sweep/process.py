"""``ser.sweep([...])``: the command ``python -m ser.run -m`` from Python, as in a notebook."""

import os
import shlex
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from ser.errors import UserError
from ser.sweep.commandline import rewrite, take_dry_run
from ser.sweep.compose import given_name
from ser.sweep.hydra_internals import parse_flags
from ser.sweep.job import FailedTrainingsError
from ser.sweep.naming import sweep_name

_LAST_LINES = 40  # of the output, for an error's message


def sweep(overrides: str | Sequence[str], config_dir: str | Path | None = None) -> str:
    """Run ``python -m ser.run -m`` in a process of its own, and print its output as it comes.

    Args:
        overrides: what is typed on the command line, ``["loss=cos,l2", "lambda=0.6,0.7"]`` or in one string.
        config_dir: a folder of your own options (``--config-dir``).

    Returns:
        The sweep's name, by which ``ser.results`` finds it.

    Raises:
        UserError: the command was refused before anything ran.
        FailedTrainingsError: something failed after the start; what has a result is kept.
        KeyboardInterrupt: it was stopped; the same call goes on from there.
    """
    typed = shlex.split(overrides) if isinstance(overrides, str) else [str(override) for override in overrides]
    args = parse_flags(rewrite(typed))
    given = args.overrides
    take_dry_run(given)  # it is no part of the name
    named = given_name(given, True, args.config_name, str(config_dir) if config_dir else args.config_dir)
    name = named or sweep_name(given)
    flags = ["-m", *(["--config-dir", str(config_dir)] if config_dir else [])]
    status, said = _run([*flags, *typed, *([] if named else [f"sweep={name}"])])
    if status == 0:
        return name
    if status == 2:
        raise UserError(said)
    if status in (130, 143):
        raise KeyboardInterrupt
    raise FailedTrainingsError(f"The sweep {name} ended with the exit status {status}:\n{said}")


def _run(arguments: Sequence[str]) -> tuple[int, str]:
    """Run the command and print its output; returns its exit status and the last lines of the output.

    The process imports from the same places as this one. An interrupt is handed on to it, and it is waited for.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "ser.run", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        process_group=0,  # so that Ctrl-C in a terminal reaches it once, from here
    )
    lines: deque[str] = deque(maxlen=_LAST_LINES)
    with process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                lines.append(line)
                print(line, end="", flush=True)
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            print(process.stdout.read(), end="", flush=True)
            raise
    return process.returncode, "".join(lines).strip()
