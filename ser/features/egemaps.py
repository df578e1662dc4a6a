"""Low-level descriptors of eGeMAPSv02 by openSMILE (config group ``feature``).

Sources: Eyben et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set (GeMAPS) for Voice Research and Affective
Computing", IEEE Transactions on Affective Computing 7(2); Eyben, Wöllmer and Schuller 2010, "openSMILE". The package
``opensmile`` is an extra; its licence permits research and other non-commercial use. It is imported on first use.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ser.config.ranges import check_fields
from ser.errors import UserError
from ser.features.extractor import FrameSource, installed_version, require

_FRAMES_A_SECOND = 100  # the step of openSMILE's configuration, 10 ms
_LONGEST_WINDOW = 0.06  # seconds, the window of the pitch


@dataclass(frozen=True)
class Egemaps(FrameSource):
    """The 25 descriptors of loudness, spectrum, pitch, voice quality and formants, smoothed over three frames.

    Attributes:
        sample_rate: sample rate of the signal (Hz).
        hop: distance between two frames (samples); openSMILE's step is 10 ms.
    """

    def __post_init__(self) -> None:
        check_fields(self, "feature")
        allowed = f"feature.sample_rate / {_FRAMES_A_SECOND}, the step of openSMILE"
        require(self.hop * _FRAMES_A_SECOND == self.sample_rate, f"hop={self.hop}", allowed)

    @property
    def dimensions(self) -> int:
        """The number of descriptors."""
        return 25

    def identity(self) -> dict[str, object]:
        """The class, the parameters and the version of opensmile, see ``FrameSource``."""
        return {"class": type(self).__name__, "opensmile": installed_version("opensmile")} | asdict(self)

    def __call__(self, signal: np.ndarray) -> np.ndarray:
        """(samples,) -> float32, (frames, 25); 5 fewer frames than hops: the longest window lies inside the signal.

        Raises:
            UserError: the signal is shorter than 60 ms.
            ExtractorError: opensmile is not installed.
        """
        needed = round(_LONGEST_WINDOW * self.sample_rate)
        if signal.size < needed:
            raise UserError(f"{signal.size} samples are too few for one frame: {needed} are needed.")
        frames = _smile().process_signal(signal, self.sample_rate)
        return np.ascontiguousarray(frames.to_numpy(), dtype=np.float32)


@lru_cache(maxsize=1)
def _smile() -> Any:
    """OpenSMILE with the configuration of eGeMAPSv02, made once a process."""
    installed_version("opensmile")
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02, feature_level=opensmile.FeatureLevel.LowLevelDescriptors
    )
