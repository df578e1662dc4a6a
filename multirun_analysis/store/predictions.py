"""The predictions of a seed, from the files of its runs."""

import os
import tempfile
from pathlib import Path

import pandas as pd
from sqlalchemy import make_url

from multirun_analysis.store.contents import Collected
from ser.errors import UserError, first_line
from ser.results.sqlite import local_folder
from ser.system.stored import damage_told
from ser.system.text import from_spreadsheets, shown_address

_PREDICTIONS = "predictions.csv"


def predictions(collected: Collected, configuration: str, seed: int) -> pd.DataFrame:
    """Read the predictions of one seed. Each fold comes from the run that its row in ``replicas`` names.

    Args:
        collected: what was read from the store.
        configuration: the signature of the configuration.
        seed: the seed.

    Returns:
        A row for each test utterance: id, fold, speaker, gold (the true class), predicted, crop_predicted (the
        prediction in ``crop`` mode), and a column with the probability of each class, its name prefixed by ``p_``.

    Raises:
        UserError: no run of that seed was collected, or its file cannot be found.
    """
    replicas = collected.replicas
    rows = replicas[(replicas["configuration"] == configuration) & (replicas["seed"] == seed)]
    if rows.empty:
        raise UserError(f"{shown_address(collected.uri)} has no run of configuration {configuration} with seed {seed}.")
    parts = []
    for run_id, folds in rows.groupby("run_id")["fold"]:
        if run_id not in collected.read:
            collected.read[run_id] = read_run(collected.uri, run_id, collected.artifacts[run_id])
        utterances = collected.read[run_id]
        parts.append(utterances[utterances["fold"].isin(folds)])
    return pd.concat(parts).sort_values("fold", kind="stable", ignore_index=True)


def read_run(uri: str, run_id: str, artifacts: str) -> pd.DataFrame:
    """Read the predictions of a run, the columns as in ``predictions``.

    Args:
        uri: the tracking store.
        run_id: the run.
        artifacts: where its files are.

    Raises:
        UserError: its file cannot be found, fetched or read.
    """
    folder = local_folder(artifacts)
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return _parse(_downloaded(uri, run_id, artifacts, temporary), run_id)
    places = _places(uri, folder)
    for place in places:
        if (place / _PREDICTIONS).is_file():
            return _parse(place / _PREDICTIONS, run_id)
    raise UserError(
        f"The predictions of run {run_id} are not there: {places[0] / _PREDICTIONS}. A run's files are where the sweep "
        "ran (the folder mlruns beside mlflow.db): copy that folder together with the store."
    )


def _places(uri: str, path: Path) -> list[Path]:
    """The folders in which a run's files may be.

    The store may name a path relative to its own folder or to the working directory. If the store was moved together
    with ``mlruns``, they are in ``mlruns/<experiment>/<run>/artifacts`` beside it.
    """
    if not uri.startswith("sqlite"):
        return [path]
    folder = Path(make_url(uri).database or "").absolute().parent
    return [folder / path, path.absolute(), folder / Path(*path.parts[-4:])]


def _downloaded(uri: str, run_id: str, artifacts: str, folder: str) -> Path:
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    source = f"{artifacts}/{_PREDICTIONS}"
    try:
        return Path(download_artifacts(artifact_uri=source, dst_path=folder, tracking_uri=uri))
    except (MlflowException, OSError) as error:
        reason = first_line(error).rstrip(".")
        raise UserError(f"The predictions of run {run_id} cannot be fetched: {source} ({reason}).") from error


def _parse(path: Path, run_id: str) -> pd.DataFrame:
    """Read a file of predictions. A class may be called ``null`` or ``NA``, so no word means a missing value.

    Raises:
        DamagedError: the file is damaged or of another kind.
    """
    remedy = f"Delete it in the files of run {run_id}: the sweep's command writes it again, without training."
    with damage_told(f"The file of predictions {path}", remedy):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        words = frame.columns.difference([name for name in frame.columns if name.startswith("p_")])
        if missing := {"id", "fold", "gold", "predicted", "crop_predicted"} - set(words):
            raise ValueError(f"it lacks the columns {', '.join(sorted(missing))}")
        frame[words] = frame[words].map(from_spreadsheets)
        return frame.astype({"fold": "int64", **dict.fromkeys(frame.columns.difference(words), "float64")})
