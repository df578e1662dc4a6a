"""Networks as an MLflow model. Only this module and ``ser.results.mlflow`` import mlflow."""

import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from ser.errors import UserError
from ser.system.environment import quiet_mlflow

PACKAGE = "ser-sweeps"
"""The name of this package's distribution."""

MODEL = "model"
"""The folder of a run's artifacts that holds its networks."""


def export_model(folder: Path, weights: Sequence[Path]) -> None:
    """Write an MLflow model that averages the probabilities of networks, see ``ser.predict.served``.

    Args:
        folder: a new or empty folder.
        weights: the weights of the networks; they are copied.

    Raises:
        UserError: the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already. Give a new folder.")
    quiet_mlflow()
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ColSpec, Schema

    columns = Schema([ColSpec("string", "path"), ColSpec("string", "speaker", required=False)])
    with tempfile.TemporaryDirectory() as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*input example")  # it would have to be a file of this machine
        data = Path(temporary) / "weights"
        data.mkdir()
        for path in weights:
            shutil.copy(path, data)
        save_model(
            folder,
            loader_module="ser.predict.served",
            data_path=str(data),
            signature=ModelSignature(inputs=columns),
            pip_requirements=[PACKAGE],
        )
