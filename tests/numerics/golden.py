"""What a few small configurations give, on a corpus that is the same on every machine: to notice when numbers move.

python tests/numerics/golden.py    write the table again, after ``ser.config.signature.NUMERICS`` was raised or the
                                   order of the arithmetic has changed; on another kind of machine, add its digests
"""

import hashlib
import json
import platform
import re
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TABLE = HERE / "golden.json"
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "former")]

COMMON = (
    "corpus=manifest", "length=0.5", "trainer.max_epochs=3", "trainer.lr=1e-3", "device=cpu",
    "tracking=none",
)  # fmt: skip
RUNNING = "trainer.statistics=running"
CONFIGURATIONS = {
    "cos": ("model.channels=4", RUNNING),
    "l2 pos_2 loader_2 gender": (
        "model.channels=4", "loss=l2", "position=pos_2", "loader=loader_2", "aux_task=gender", RUNNING,
    ),
    "baseline logmel crop": ("model.channels=4", "loss=none", "feature=logmel", "length.train=crop", RUNNING),
    "attentive_cnn session": ("model=attentive_cnn", "model.channels=4", "validation=session", "loss=l2", RUNNING),
    "spectrogram linear": ("feature=logspec", "model=spectrogram_cnn_lstm", "model.hidden=4", "lambda=linear"),
    "sgd": ("model.channels=4", "trainer=sgd", RUNNING),
    "cos epoch": ("model.channels=4",),
    "l2 branch epoch": ("model.channels=4", "loss=l2", "trainer.batch_norm=branch"),
}  # fmt: skip
CLOSE = 5e-3
"""How far a number may be from the table's on another kind of machine, whose kernels round differently."""

ROUNDING = 2e-5
"""How far on a machine of the table, where only the order of the arithmetic has changed."""


def machine() -> str:
    """The processor and the libraries that decide how numbers are rounded."""
    import librosa
    import numba
    import torch

    try:
        cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
    except OSError:
        cpu = None
    libraries = {"torch": torch, "numpy": np, "librosa": librosa, "numba": numba}
    versions = ", ".join(f"{name} {library.__version__}" for name, library in libraries.items())
    return f"{cpu[1] if cpu else platform.processor()}, {torch.backends.cpu.get_cpu_capability()}, {versions}"


def numbers(configuration: str, folder: Path) -> tuple[list[float], str]:
    """A configuration's losses and predictions, and the digest of their bits; ``folder`` holds the corpus."""
    from support import experiment

    from ser.training.loop import attempt
    from ser.training.task import make_task

    places = (f"corpus.root={folder / 'corpus.csv'}", f"cache.dir={folder / 'cache'}")
    chosen = experiment(*COMMON, *places, *CONFIGURATIONS[configuration])
    outcome = attempt(make_task(chosen, "cpu", None), chosen.replicas(0)[0])
    if isinstance(outcome, Exception):
        raise outcome
    losses = [row[name] for row in outcome.history for name in ("train_loss", "val_loss")]
    values = np.concatenate([losses, outcome.average[:4].ravel(), outcome.crop[:4].ravel()]).astype(np.float64)
    everything = [repr(outcome.history), outcome.average.tobytes(), outcome.crop.tobytes()]
    digest = hashlib.sha256(b"".join(part.encode() if isinstance(part, str) else part for part in everything))
    return [round(float(value), 6) for value in values], digest.hexdigest()[:16]


def main() -> None:
    from former_corpus import make_corpus

    from ser.config.signature import NUMERICS

    old = json.loads(TABLE.read_text()) if TABLE.exists() else {"numerics": None}
    table = {"numerics": NUMERICS, "values": {}, "digests": old["digests"] if old["numerics"] == NUMERICS else {}}
    table["digests"][machine()] = {}
    with tempfile.TemporaryDirectory() as folder:
        make_corpus(Path(folder))
        for name in CONFIGURATIONS:
            values, table["digests"][machine()][name] = numbers(name, Path(folder))
            kept = old["numerics"] == NUMERICS and name in old["values"]
            table["values"][name] = old["values"][name] if kept else values
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
