"""Speech emotion recognition with a contrastive loss under siamese networks (Lian et al. 2018), as Hydra sweeps."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ser.predict.find import load as load


def __getattr__(name: str) -> Any:
    """``ser.load``, imported when it is asked for, so that ``import ser`` is quick."""
    if name == "load":
        from ser.predict.find import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
