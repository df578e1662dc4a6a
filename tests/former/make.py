"""Make the files in this folder again, with the code of commit f82dad9 (the first release's layout of ``ser``).

    git worktree add ../former f82dad9
    PYTHONPATH=../former python tests/former/make.py

``signatures.json`` holds what twenty configurations are hashed as; ``results/`` and ``store.sql.gz`` are a results
folder and a tracking store (as SQL) of a small sweep on the corpus that ``former_corpus.py`` makes.
"""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [os.environ["PYTHONPATH"], str(HERE)]

from former_corpus import SWEEP, make_corpus  # noqa: E402

CONFIGURATIONS = [
    [],
    ["loss=l2"],
    ["loss=l2", "loss.normalise=true", "loss.margin=2"],
    ["loss=none", "lambda=0.9"],
    ["lambda=1", "position=pos_2"],
    ["lambda=linear", "lambda.start=0.3", "lambda.weight=0.9"],
    ["loader=loader_2", "loader.redraw=false"],
    ["position=pos_2", "position.vector=probabilities"],
    ["feature=logmel", "feature.top_db=null"],
    ["feature=mfcc", "feature.log=natural", "feature.drop_c0=true"],
    ["feature=logspec", "length=3", "model=spectrogram_cnn_lstm", "model.hidden=0"],
    ["model=attentive_cnn", "model.kernels=[5]", "model.channels=8"],
    ["aux_task=gender", "aux_task.weight=0.1"],
    ["aux_task=valence", "aux_task.edges=[2.5,3]"],
    ["aux_task=dominance", "loss=none"],
    ["aux_task=activation", "aux_task.weight=0"],
    ["length=9.5", "length.tail=drop", "length.train=crop"],
    ["validation=session"],
    ["validation.fraction=0.1", "trainer.patience=2", "trainer.watch=train", "trainer.batch_norm=branch"],
    ["trainer.lr=1", "trainer.min_lr=0", "trainer.max_epochs=3", "trainer.precision=bf16"],
    ["+loss=own", "lambda=0.7"],
    ["+model=own", "loss=none"],
    ["+aux_task=own"],
]
"""The last three choose options of a user's own, in ``conf/``, written for the paths of that commit."""


def signatures() -> list[dict]:
    from hydra import compose, initialize_config_dir
    from ser.commandline import rewrite
    from ser.paths import conf_dir

    from ser.config import resolve

    found = []
    for typed in CONFIGURATIONS:
        overrides = rewrite([override.lstrip("+") for override in typed])
        with initialize_config_dir(str(conf_dir().resolve()), version_base="1.3"):
            search = f"hydra.searchpath=['file://{HERE / 'conf'}']"
            settings = resolve(compose("config", overrides=[search, *overrides]), overrides)
        text, name = _hashed(settings.groups)
        found.append({"overrides": [o.lstrip("+") for o in typed], "bytes": text, "signature": name})
    return found


def _hashed(groups: dict) -> tuple[str, str]:
    """What a configuration is hashed from, and the hash; that commit had no function for the first."""
    from ser import signature

    texts, digest = [], signature.digest

    def listening(value: object) -> str:
        texts.append(json.dumps(value, sort_keys=True, separators=(",", ":")))
        return digest(value)

    signature.digest = listening
    try:
        name = signature.configuration(groups, "corpus")
        return texts[0], name
    finally:
        signature.digest = digest


def store() -> None:
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder))
        subprocess.run([sys.executable, "-m", "ser.run", *SWEEP], cwd=folder, check=True)
        shutil.rmtree(HERE / "results", ignore_errors=True)
        shutil.copytree(f"{folder}/results", HERE / "results", ignore=shutil.ignore_patterns("locks"))
        with sqlite3.connect(f"{folder}/mlflow.db") as database:
            text = "\n".join(database.iterdump()).replace(folder, "/former").replace(os.environ["PYTHONPATH"], "/ser")
        with gzip.GzipFile(HERE / "store.sql.gz", "wb", mtime=0) as file:
            file.write(text.encode())


if __name__ == "__main__":
    (HERE / "signatures.json").write_text(json.dumps(signatures(), indent=1) + "\n", encoding="utf-8")
    store()
