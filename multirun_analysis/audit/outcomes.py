"""How the trainings went: those that diverged or never learned, and results that are too good to be true."""

from collections.abc import Iterator

import pandas as pd

from multirun_analysis.audit.compared import Compared
from multirun_analysis.audit.findings import Finding
from multirun_analysis.audit.wording import few, numbers
from ser.system.text import listing

SUSPICIOUS = 5
"""From this many replicas with equal test and validation WA on, coincidence is implausible: refuse."""


def diverged(compared: Compared) -> Iterator[Finding]:
    """Trainings whose loss was no longer finite."""
    rows = compared.replicas[compared.replicas["diverged"]]
    if len(rows):
        seeds = rows.groupby("configuration")["seed"].unique()
        places = [f"{compared.name(name)}: {numbers('seed', found)}" for name, found in seeds.items()]
        yield Finding(
            "warn",
            "Trainings diverged (the loss was no longer finite; the best epoch before that was tested): "
            f"{few(places)}.",
        )


def never_fell(compared: Compared) -> Iterator[Finding]:
    """Points of which most trainings had their lowest validation loss in the first of several epochs."""
    rows = compared.replicas[compared.replicas["epochs"] > 1]
    shares = (rows["lowest_epoch"] == 1).groupby(rows["configuration"]).mean()
    names = [str(name) for name, share in shares.items() if share > 0.5]
    if names:
        patience = sorted({compared.planned[name].parameters.get("trainer.patience", "?") for name in names})
        yield Finding(
            "warn",
            f"The validation loss was lowest in the first epoch in most trainings of {compared.listed(names)}: it "
            "never fell, so that the schedule lowered the learning rate from the start. Such trainings may have ended "
            f"before they learned anything; try a larger trainer.patience (here {listing(patience)}).",
        )


def leaks(compared: Compared) -> Iterator[Finding]:
    """Configurations whose test WA always equals their validation WA.

    Where both are 1, that is no evidence. Nor is one value in all trainings: networks that give one answer for all
    utterances have it, if the classes have equal shares in every fold.
    """
    rows = compared.replicas
    below_1 = rows["wa"].where(rows["wa"] < 1)
    groups = pd.DataFrame({"equal": rows["wa"] == rows["best_val_wa"], "wa": below_1}).groupby(rows["configuration"])
    suspects = [
        name
        for name, group in groups
        if group["equal"].all() and group["wa"].count() >= SUSPICIOUS and group["wa"].nunique() > 1
    ]
    if suspects:
        yield Finding(
            "refuse",
            f"Test WA equals validation WA in every training of {compared.count(suspects)}: were they tested on the "
            "utterances that chose the epoch? Look at the folds and at validation=.",
        )
