"""How MLflow's page shows an experiment: its two tables of runs, as tags of the experiment.

MLflow folds runs under their parents only while they are sorted by the time of their start, so there are two views.
"""

import json

FOLDED, RANKED = "runs", "wa"
"""The names of the views: the seeds folded under their configurations, and the configurations sorted by WA."""

TITLES = {FOLDED: "seeds folded under their configurations", RANKED: "configurations sorted by WA"}

MARK = f"mlflow.sharedViewState.{RANKED}"
"""The tag by which an experiment of this project is known."""

TOP_LEVEL = "tags.`mlflow.parentRunId` IS NULL"
"""The filter for runs that no other run contains."""

_METRICS = ("wa", "uwa", "wa_sd", "uwa_sd", "crop_wa", "crop_uwa", "wa_pooled", "uwa_pooled")
_PARAMETERS = ("loss", "lambda", "loader", "position", "feature", "length", "aux_task", "seed", "fold")
_COLUMNS = [*(f"metrics.`{key}`" for key in _METRICS), *(f"params.`{key}`" for key in _PARAMETERS)]
_NAME = "attributes.`Run Name`"
_WIDTHS = {_NAME: 270, **dict.fromkeys(_COLUMNS, 80)}  # pixels; the name's default cuts most names


def _view(order: str, search: str = "") -> str:
    return json.dumps(
        {
            "orderByKey": order,
            "orderByAsc": False,
            "searchFilter": search,
            "selectedColumns": _COLUMNS,
            "columnOrder": [_NAME, *_COLUMNS],
            "columnWidths": _WIDTHS,
        }
    )


TAGS = {
    "mlflow.experimentKind": "custom_model_development",
    f"mlflow.sharedViewState.{FOLDED}": _view("attributes.start_time"),
    MARK: _view("metrics.`wa`", TOP_LEVEL),
}
"""The tags of an experiment."""


def path(experiment: str, view: str) -> str:
    """The address of a view in MLflow's page, after the host."""
    return f"/#/experiments/{experiment}/runs?viewStateShareKey={view}"
