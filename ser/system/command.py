"""How every command of this package ends: on any terminal, with one message for an error, and an exit status."""

import codecs
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Callable
from typing import Any, NoReturn

from ser.errors import UserError, told_to_user

_IN_ASCII = {"±": "+-", "λ": "lambda", "→": "->", "≥": ">=", "≤": "<=", "×": "x", "–": "-", "—": "-", "…": "..."}


class Terminated(KeyboardInterrupt):
    """SIGTERM, which a scheduler such as SLURM sends before it kills: everything ends as after Ctrl-C."""


def run_command(command: Callable[[], int | None], interrupted: str = "Interrupted.") -> NoReturn:
    """Run a command and leave the process.

    The exit status is what the command returns; 2 after a ``UserError``, whose message is printed; 130 after Ctrl-C;
    143 after SIGTERM; 0 where the reader of the output has seen enough and gone, as ``head`` does.

    A console script such as ``ser-run`` finds the user's own modules in the current folder, as ``python -m`` does.

    Args:
        command: returns the exit status; None is 0.
        interrupted: printed after Ctrl-C and SIGTERM.
    """
    _print_anywhere()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        with told_to_user():
            _import_from_here()
            status = command() or 0
            sys.stdout.flush()
    except UserError as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        print(error, file=sys.stderr)
        status = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more at its end
        status = 0
    except KeyboardInterrupt as stop:
        print(interrupted, file=sys.stderr)
        status = 143 if isinstance(stop, Terminated) else 130
    sys.exit(status)


def end_with_reader() -> None:
    """Let a closed pipe end this process without a word, wherever it is printing."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def _import_from_here() -> None:
    """Look for modules in the current folder first, as ``python -m`` does, unless Python was told not to (``-P``)."""
    if not sys.flags.safe_path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def _terminate(*_: Any) -> NoReturn:
    raise Terminated


def _print_anywhere() -> None:
    """Write letters that a terminal's encoding lacks in ASCII, such as ``+-``, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="ser.in_ascii")


def in_ascii(text: str) -> str:
    """Letters in ASCII, those without a likeness there as question marks.

    >>> in_ascii("WA 61.2 ± 0.5, Zoë, 中")
    'WA 61.2 +- 0.5, Zoe, ?'
    """
    return "".join(map(_letter, text))


def _letter(letter: str) -> str:
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return _IN_ASCII.get(letter) or plain or "?"


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end]), error.end


codecs.register_error("ser.in_ascii", _replace)
