"""Hydra's launchers: how each is installed, where its jobs run, and what goes on after its command was stopped.

A launcher is given here as its configuration, ``hydra.launcher``, or as None where the command itself runs the job.
"""

import os
import shutil
import subprocess
from typing import Any

from omegaconf import OmegaConf

from ser.errors import UserError
from ser.sweep.handover import HANDED_OVER
from ser.sweep.hydra_internals import BASIC_LAUNCHER

_SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher"

LOCAL_LAUNCHERS = (
    BASIC_LAUNCHER,
    "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher",
    f"{_SUBMITIT}.LocalLauncher",
)
"""The classes of launchers whose jobs run on this machine."""

SLURM_LAUNCHER = f"{_SUBMITIT}.SlurmLauncher"

RAY_LAUNCHER = "hydra_plugins.hydra_ray_launcher.ray_launcher.RayLauncher"

INSTALLATION = {
    "joblib": "pip install hydra-joblib-launcher",
    "submitit_local": "pip install hydra-submitit-launcher",
    "submitit_slurm": "pip install hydra-submitit-launcher",
    "ray": "pip install ray, then pip install --no-deps hydra-ray-launcher",
}
"""How the plugin is installed that has an option of the group ``hydra/launcher``."""


def runs_here(launcher: Any) -> bool:
    """Whether the jobs run on this machine."""
    return _class(launcher) in LOCAL_LAUNCHERS


def check(launcher: Any, sweep: str) -> None:
    """Check that a sweep's jobs can be submitted from this machine.

    Raises:
        UserError: SLURM is not installed here, or it still has jobs of this sweep.
    """
    if _class(launcher) != SLURM_LAUNCHER:
        return
    missing = [command for command in ("sbatch", "srun") if shutil.which(command) is None]
    if missing:
        raise UserError(
            f"This launcher submits jobs to SLURM, but this machine has no {' and no '.join(missing)}. Run the command "
            "on a login node of the cluster, or leave hydra/launcher= out."
        )
    name = _job_name(launcher, sweep)
    jobs = _in_queue(name) if name == sweep else []
    if jobs:
        raise UserError(
            f"SLURM still has jobs of the sweep {sweep} ({', '.join(jobs)}), which this command would submit again. "
            f"Wait for them, or end them: scancel --me --name={name}"
        )


def what_goes_on(launcher: Any, sweep: str) -> str | None:
    """What a user who stops the command must know of its jobs; None where they end with the command."""
    if _class(launcher) != SLURM_LAUNCHER:
        return None
    name = _job_name(launcher, sweep)
    return (
        f"SLURM's jobs go on: squeue --me --name={name} lists them, scancel --me --name={name} ends them. "
        "When they have ended, the same command shows the table."
    )


def handover(launcher: Any) -> list[str]:
    """Overrides by which Hydra sets the variables of ``ser.sweep.handover`` in jobs that do not inherit them.

    These are the jobs on a Ray cluster. A value that OmegaConf would take for an interpolation is left out.
    """
    if _class(launcher) != RAY_LAUNCHER:
        return []
    names = [name for name in HANDED_OVER if "${" not in os.environ.get(name, "${")]
    return [f"hydra.job.env_copy=[{','.join(names)}]"]


def _class(launcher: Any) -> str:
    return BASIC_LAUNCHER if launcher is None else str(launcher["_target_"])


def _job_name(launcher: Any, sweep: str) -> str:
    """The name of the jobs in SLURM's queue."""
    name = str(OmegaConf.to_container(launcher, resolve=False)["name"])  # type: ignore[index, call-overload]
    return {"${sweep}": sweep, "${hydra.job.name}": "run"}.get(name, name)


def _in_queue(name: str) -> list[str]:
    """The ids of this user's jobs of a name; none if SLURM does not answer, which the submission then tells."""
    command = ["squeue", "--me", "--noheader", "--format=%i", f"--name={name}"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return []
