"""Where the stored numbers come from: other code, other data or other machines, or two runs that disagree."""

from collections.abc import Iterator, Mapping

import pandas as pd

from multirun_analysis.audit.compared import Compared
from multirun_analysis.audit.findings import Finding, Severity
from multirun_analysis.audit.wording import are, count, few, grouped
from multirun_analysis.store.contents import REPLICA, TOLERANCE, fold_metrics
from ser.system.text import listing

_WHY_IN_CONFLICT: Mapping[Severity, str] = {
    "refuse": "equal signatures should give equal numbers",
    "warn": "CUDA's rounding may be the reason",
}


def conflicts(compared: Compared) -> Iterator[Finding]:
    """Replicas that are stored with different numbers. Where CUDA took part, rounding may explain them."""
    groups = grouped(
        (rows for _, rows in compared.conflicts.groupby(REPLICA)),
        lambda rows: "warn" if (_device_kinds(rows["device"]) == "cuda").any() else "refuse",
    )
    for severity, replicas in groups.items():
        named = [_conflict(compared, rows) for rows in replicas]
        why = _WHY_IN_CONFLICT[severity]
        yield Finding(
            severity,
            f"{count(named, 'training')} {are(named)} stored more than once, with different numbers ({why}): "
            f"{few(named)}. The newest run counts; delete the wrong ones in MLflow.",
        )


def _conflict(compared: Compared, rows: pd.DataFrame) -> str:
    """Name a replica in conflict, with the values of the first metric in which its runs differ."""
    first, values = rows.iloc[0], rows[list(fold_metrics())].astype("float64")
    metric = (values.max() - values.min() > TOLERANCE).idxmax()
    versions = [f"{value:.6g} in run {run}" for value, run in zip(values[metric], rows["run_id"], strict=True)]
    replica = f"{compared.name(first['configuration'])} seed {first['seed']} fold {first['fold']}"
    return f"{replica}: {metric} {listing(versions)}"


def fingerprints(compared: Compared) -> Iterator[Finding]:
    """A corpus that had different content."""
    for configurations in compared.corpora:
        rows = compared.replicas[compared.replicas["configuration"].isin(configurations)]
        if places := _places(compared, rows["corpus_fingerprint"], digits=8):
            yield Finding("refuse", f"The corpus had different content (corpus_fingerprint): {places}.")


def numerics(compared: Compared) -> Iterator[Finding]:
    """Different versions of the arithmetic."""
    if places := _places(compared, compared.replicas["numerics"]):
        yield Finding(
            "refuse",
            f"The trainings used different versions of the arithmetic (numerics): {places}. Train the older ones "
            "again.",
        )


def commits(compared: Compared) -> Iterator[Finding]:
    """Different commits of the code."""
    short = compared.replicas["git_commit"].str.replace(r"([0-9a-f]{10})[0-9a-f]+", r"\1", regex=True)
    if places := _places(compared, short):
        yield Finding("warn", f"The trainings used different commits of the code (git_commit): {places}.")


def devices(compared: Compared) -> Iterator[Finding]:
    """CPU and CUDA."""
    if places := _places(compared, _device_kinds(compared.replicas["device"])):
        yield Finding("warn", f"The trainings ran on different devices, which round differently: {places}.")


def synthetic(compared: Compared) -> Iterator[Finding]:
    """Generated and recorded speech; a sweep over corpora may mean it so."""
    kinds = compared.replicas["synthetic"].map({True: "synthetic", False: "real"})
    if places := _places(compared, kinds):
        yield Finding(
            "warn" if len(compared.corpora) > 1 else "refuse",
            f"Generated and recorded speech are mixed: {places}. Numbers on generated speech say nothing about people.",
        )


def _device_kinds(names: pd.Series) -> pd.Series:
    """The devices without their number: ``cuda`` for ``cuda:1``."""
    return names.str.replace(":.*", "", regex=True)


def _places(compared: Compared, values: pd.Series, digits: int | None = None) -> str:
    """Say which points have which of several values: ``cpu in 3 cells; cuda in 1 cell (loss=l2)``.

    Args:
        compared: what is compared.
        values: one of each replica in question, with its index in ``compared.replicas``.
        digits: how many characters of a value are shown; all by default.

    Returns:
        An empty text if all values are the same.
    """
    if values.nunique() <= 1:
        return ""
    configurations = compared.replicas["configuration"].groupby(values).unique()
    return few([f"{str(value)[:digits]} in {compared.count(list(names))}" for value, names in configurations.items()])
