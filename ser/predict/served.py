"""How MLflow answers from exported networks: the ``loader_module`` of ``ser.results.mlflow_models.export_model``."""

from pathlib import Path
from typing import Any

from ser.errors import UserError
from ser.predict.find import load
from ser.predict.predictor import Predictor
from ser.predict.recording import Recording


def _load_pyfunc(path: str) -> "Served":
    """MLflow calls this with the folder of the weights."""
    return Served(load(path))


class Served:
    """A predictor as MLflow calls it."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:
        """Predict the emotions of audio files that this machine can read.

        Args:
            model_input: a pandas DataFrame with the column ``path`` and, for models that need it, ``speaker``.
            params: not used.

        Returns:
            A DataFrame with the columns ``emotion`` and ``p_<class>`` for each class, a row for each file. Where a file
            cannot be used, these are None, and a column ``error`` says why.
        """
        import pandas

        speakers = model_input["speaker"] if "speaker" in model_input else [None] * len(model_input)
        pairs = zip(model_input["path"], speakers, strict=True)
        answers = self.predictor.attempt(_recording(path, speaker) for path, speaker in pairs)
        columns = ["emotion", *(f"p_{name}" for name in self.predictor.classes)]
        rows = [
            [*[None] * len(columns), str(answer)]
            if isinstance(answer, UserError)
            else [answer.emotion, *answer.probabilities.tolist(), None]
            for answer in answers
        ]
        found = pandas.DataFrame(rows, columns=[*columns, "error"])
        if found["error"].isna().all():
            return found.drop(columns="error")
        return found.astype(object).where(found.notna(), None)  # None is null in JSON; NaN is no JSON


def _recording(path: Any, speaker: Any) -> Recording | UserError:
    """The recording of a row, or an error if its path is null or a number."""
    if not isinstance(path, str | Path):
        return UserError(f"path: {path} is no path of an audio file. Write it as text.")
    return Recording(str(path), Path(path), speaker=str(speaker))
