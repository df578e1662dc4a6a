"""How far a long step has come: a bar on a terminal, now and then a plain line elsewhere."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 10.0


def track(items: Iterable[Item], total: int, label: str) -> Iterator[Item]:
    """Pass ``items`` on and show on standard error how many of ``total`` have come."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        yield from tqdm(items, total=total, desc=label, leave=False)
        return
    last = time.monotonic()
    for done, item in enumerate(items, 1):
        yield item
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            print(f"{label}: {done} of {total}", file=sys.stderr, flush=True)


class ConsoleHandler(logging.StreamHandler):
    """Log records on standard error that leave a progress bar whole."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; above the bar, if there is one."""
        if "tqdm" not in sys.modules:
            super().emit(record)
            return
        from tqdm import tqdm

        tqdm.write(self.format(record), file=sys.stderr)
