"""What a result was made with: versions of libraries, the commit of the code, the device. Looked up once a process."""

import hashlib
import logging
import os
import platform
import subprocess
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ser.errors import UserError
from ser.system.files import hash_file

_LIBRARIES = ("torch", "numpy", "librosa", "scikit-learn", "hydra-core", "mlflow")


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """The versions of Python and of the libraries that can change a number."""
    found = {"python": platform.python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


@lru_cache(maxsize=1)
def source() -> str:
    """The hash of this package's source, of every file whether committed or not."""
    package, digest = Path(__file__).parent.parent, hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(f"{file.relative_to(package)} {hash_file(file)}\n".encode())
    return digest.hexdigest()[:32]


@lru_cache(maxsize=1)
def git_commit() -> str | None:
    """The commit of this package's checkout, with "-dirty" where files differ; None outside a checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


@lru_cache(maxsize=4)
def device(wanted: str) -> str:
    """The torch device for ``device=``: ``auto`` is CUDA where PyTorch sees a CUDA device, else the CPU.

    Raises:
        UserError: the CUDA device that was asked for does not exist.
    """
    if wanted == "cpu" or (wanted == "auto" and os.environ.get("CUDA_VISIBLE_DEVICES") == ""):
        return "cpu"
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    index = int(wanted.partition(":")[2] or 0)
    if not torch.cuda.is_available() or index >= torch.cuda.device_count():
        raise UserError(
            f"device={wanted}: PyTorch {torch.__version__} sees {torch.cuda.device_count()} CUDA devices here. "
            "Use device=cpu or device=auto."
        )
    return wanted


def quiet_mlflow() -> None:
    """Set what MLflow reads from the environment: few retries, short waits, no telemetry, no word of git or of runs.

    It would also print a traceback for each error of a database, and then raise it.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # the address has its password in it
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # as in conf/hydra/job_logging
