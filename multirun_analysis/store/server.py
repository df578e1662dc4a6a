"""A tracking server, read page by page through MLflow's client."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from multirun_analysis.store.contents import HISTORY
from multirun_analysis.store.refusals import check_experiment, unreadable
from multirun_analysis.store.source import PARAMETERS, Runs
from ser.system.environment import quiet_mlflow

_LONG = ["run_id", "key", "value"]


class Server:
    """A server, or any other store that MLflow's client reads, as a ``Source``."""

    history_is_quick = False  # a request for each metric of each fold

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def read(self, experiment: str | None, wanted: Sequence[str] | None) -> Runs:
        """Fetch the runs page by page."""
        with _client(self._uri) as client:
            runs = list(_search(client, _experiments(client, self._uri, experiment), wanted))
        infos = [(run.info.run_id, run.info.end_time, run.info.artifact_uri) for run in runs]
        return Runs(
            pd.DataFrame(infos, columns=["run_id", "end_time", "artifact_uri"]),
            _long(runs, lambda data: {**data.tags, **{key: data.params.get(key) for key in PARAMETERS}}),
            _long(runs, lambda data: data.metrics),
        )

    def history(self, trainings: pd.DataFrame) -> pd.DataFrame:
        """Fetch these folds, one metric at a time."""
        found = []
        with _client(self._uri) as client:
            for run_id, fold in trainings[["run_id", "fold"]].itertuples(index=False, name=None):
                for key in (f"fold_{fold}/{name}" for name in HISTORY):
                    found += [(run_id, key, m.value, m.step) for m in client.get_metric_history(run_id, key)]
        return pd.DataFrame(found, columns=[*_LONG, "step"])


@contextmanager
def _client(uri: str) -> Iterator[Any]:
    """MLflow's client; an error of the server becomes a UserError that names it."""
    quiet_mlflow()
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    try:
        yield MlflowClient(uri)
    except (MlflowException, OSError) as error:
        raise unreadable(uri, error) from error


def _experiments(client: Any, uri: str, name: str | None) -> list[str]:
    """The ids of the experiments to be read."""
    match = client.get_experiment_by_name(name) if name else None
    existing = [match] if match else client.search_experiments()
    if name is not None:
        check_experiment(uri, name, {item.name: item.lifecycle_stage for item in existing})
    return [item.experiment_id for item in existing]


def _search(client: Any, experiments: Sequence[str], wanted: Sequence[str] | None) -> Iterator[Any]:
    """Yield the finished runs: of the wanted configurations, or of all."""
    finished = "attributes.status = 'FINISHED' and tags.kind = 'run'"
    conditions = [finished]
    if wanted is not None:
        conditions = [f"{finished} and tags.configuration = '{configuration}'" for configuration in wanted]
    for condition in conditions:
        token: str | None = ""
        while token is not None:
            page = client.search_runs(experiments, condition, max_results=1000, page_token=token or None)
            yield from page
            token = page.token or None


def _long(runs: Sequence[Any], values: Callable[[Any], Mapping[str, Any]]) -> pd.DataFrame:
    rows = [(run.info.run_id, key, value) for run in runs for key, value in values(run.data).items()]
    return pd.DataFrame(rows, columns=_LONG)
