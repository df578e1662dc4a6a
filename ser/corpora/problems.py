"""Several problems in one message, so that a user repairs them all at once."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from ser.errors import UserError

Item = TypeVar("Item")
Result = TypeVar("Result")

SHOWN = 5
"""How many problems of a kind a message shows."""


def refuse(problems: Sequence[str], advice: str = "", shown: int = SHOWN) -> None:
    """Raise one error for all problems.

    Args:
        problems: full sentences.
        advice: a full sentence that follows the problems.
        shown: at most so many problems are shown; the others are counted.

    Raises:
        UserError: there is a problem.
    """
    if problems:
        more = [f"and {len(problems) - shown} more."] if len(problems) > shown else []
        raise UserError("\n".join([*problems[:shown], *more]) + f" {advice}".rstrip())


def for_each(function: Callable[[Item], Result], items: Iterable[Item], shown: int = SHOWN) -> list[Result]:
    """Call a function on each item, and raise one error for all items that it refuses.

    Raises:
        UserError: the function raised one for an item; the message shows at most ``shown`` of them.
    """
    results, problems = [], []
    for item in items:
        try:
            results.append(function(item))
        except UserError as error:
            problems.append(str(error))
    refuse(problems, shown=shown)
    return results
