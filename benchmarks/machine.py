"""The machine that the figures belong to."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.measure import Section
from ser.system import environment, pool

_LIBRARIES = ("torch", "numba", "numpy", "librosa", "mlflow")
_BUSY = 0.5  # mean number of running processes in the minute before


def describe() -> Section:
    """Processor, cores, memory, versions and the CUDA device, if there is one."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    rows = [
        ("processor", _processor()),
        ("cores this process may use", str(pool.cores())),
        ("load before the run (1 minute)", f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"),
        ("threads PyTorch takes by default", str(torch.get_num_threads())),
        ("CUDA device", device),
        ("system", f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"),
        (
            "libraries",
            ", ".join(f"{name} {version(name)}" for name in ("torch", "numba", "numpy", "librosa", "mlflow")),
        ),
        ("code", environment.git_commit() or "unknown"),
    ]
    return Section("Machine", ("machine", ""), rows, _quiet(), dict(rows))


def _quiet() -> str:
    if not hasattr(os, "getloadavg") or os.getloadavg()[0] < _BUSY:
        return ""
    return "Other programs were running before this one began: the figures are worth little, the plain loop's least."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"
