"""The values that a search may choose from, read from a command line in Hydra's grammar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override

from ser.config.words import parameter_of
from ser.errors import UserError
from ser.sweep.compose import read_override


@dataclass(frozen=True)
class Dimension:
    """A key and the values that it may have: numbers between ``low`` and ``high``, or ``choices``.

    Attributes:
        key: the key, such as ``lambda.weight``.
        choices: the values as typed; None for an interval.
        low, high: the ends of the interval.
        log: whether the logarithm is searched evenly, not the number.
    """

    key: str
    choices: tuple[str, ...] | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    def ask(self, trial: Any) -> str:
        """The override that sets the value which an Optuna trial suggests; numbers have three digits."""
        if self.choices is not None:
            return f"{self.key}={trial.suggest_categorical(self.key, self.choices)}"
        return f"{self.key}={trial.suggest_float(self.key, self.low, self.high, log=self.log):.3g}"

    def samples(self) -> list[str]:
        """Overrides that show whether every value is in the key's range: each choice, or both ends and one between.

        Proposals have three significant digits, so the smallest have the most decimals: a value just above the lower
        end shows whether the key takes decimals.

        >>> Dimension("model.channels", None, 50, 200).samples()
        ['model.channels=50', 'model.channels=200', 'model.channels=50.4']
        """
        if self.choices is not None:
            return [f"{self.key}={value}" for value in self.choices]
        between = self.low + 0.382 * min(1, self.high - self.low)
        return [f"{self.key}={value:.3g}" for value in (self.low, self.high, between)]

    @property
    def typed(self) -> str:
        """What is searched, as users type it.

        >>> Dimension("lambda.weight", None, 0.3, 0.9).typed, Dimension("trainer.lr", ("1e-3", "1e-2")).typed
        ('lambda=interval(0.3,0.9)', 'trainer.lr=1e-3,1e-2')
        """
        if self.choices is not None:
            return f"{self.name}={','.join(self.choices)}"
        interval = f"interval({self.low:g},{self.high:g})"
        return f"{self.name}={f'tag(log,{interval})' if self.log else interval}"

    @property
    def name(self) -> str:
        """What users call the key: ``lambda`` for ``lambda.weight``."""
        return parameter_of(self.key)


def search_space(overrides: Sequence[str]) -> tuple[list[Dimension], list[str]]:
    """Divide a command line into what is searched and what is fixed.

    Args:
        overrides: what was typed. ``interval(0.1,0.9)``, ``tag(log,interval(1e-5,1e-2))``, a list and a range are
            searched.

    Returns:
        The dimensions, and the other overrides.

    Raises:
        UserError: an override cannot be read, an interval has no numbers in it, or a key is given twice.
    """
    parsed = [read_override(override) for override in overrides]
    dimensions = [_dimension(each) for each in parsed if each.is_sweep_override()]
    keys = [str(each.key_or_group) for each in parsed]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise UserError(f"{parameter_of(twice)} is given twice.")
    return dimensions, [str(each.input_line) for each in parsed if not each.is_sweep_override()]


def _dimension(override: Override) -> Dimension:
    key, value = str(override.key_or_group), override.value()
    if not isinstance(value, IntervalSweep):
        return Dimension(key, tuple(dict.fromkeys(map(str, override.sweep_string_iterator()))))
    low, high, log = float(value.start or 0), float(value.end or 0), "log" in value.tags
    if not low < high or (log and low <= 0):
        needs = "0 < low < high" if log else "low < high"
        raise UserError(f"{override.input_line}: an interval needs two numbers with {needs}.")
    return Dimension(key, None, low, high, log)
