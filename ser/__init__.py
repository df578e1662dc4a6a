"""Speech emotion recognition with a contrastive loss under siamese networks (Lian et al. 2018), as Hydra sweeps.

From Python and notebooks there are ``ser.sweep``, ``ser.results``, ``ser.predictions``, ``ser.histories``, ``ser.plot``
(docs/python.md) and ``ser.load`` (docs/prediction.md). What they need is imported when they are used, so that
``import ser`` is quick.
"""

from pkgutil import resolve_name
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what type checkers and editors see
    from multirun_analysis import plot as plot
    from ser.predict.find import load as load
    from ser.sweep.dataframes import histories as histories
    from ser.sweep.dataframes import predictions as predictions
    from ser.sweep.dataframes import results as results
    from ser.sweep.process import sweep as sweep
else:
    from ser import results, sweep

_PUBLIC = {
    "histories": "ser.sweep.dataframes:histories",
    "load": "ser.predict.find:load",
    "plot": "multirun_analysis.plot",
    "predictions": "ser.sweep.dataframes:predictions",
    "results": "ser.sweep.dataframes:results",
    "sweep": "ser.sweep.process:sweep",
}
"""What users call, and where it is."""


class _Callable(ModuleType):
    """A package that can be called: ``ser.sweep([...])`` runs a sweep, while ``ser.sweep.plan`` is a module of it."""

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        return resolve_name(_PUBLIC[self.__name__.removeprefix("ser.")])(*arguments, **keywords)


for _package in (results, sweep):
    _package.__class__ = _Callable


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return resolve_name(_PUBLIC[name])


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
