"""Hydra's launchers: how each is installed, where its jobs run, and what goes on after its command was stopped.

A launcher is given here as its configuration, ``hydra.launcher``, or as None where the command itself runs the job.
"""

import os
import shutil
import subprocess
from collections.abc import Collection
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from hydra.utils import get_class
from omegaconf import OmegaConf

from ser.config.words import quoted
from ser.errors import UserError
from ser.sweep.handover import HANDED_OVER, TRACKING
from ser.sweep.hydra_internals import BASIC_LAUNCHER
from ser.system.command import Terminated
from ser.system.text import shown_address

_SUBMITIT = "hydra_plugins.hydra_submitit_launcher.submitit_launcher"

JOBLIB_LAUNCHER = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"

LOCAL_LAUNCHERS = (
    BASIC_LAUNCHER,
    JOBLIB_LAUNCHER,
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


def check(launcher: Any, sweep: str, stores: Collection[str] = ()) -> None:
    """Check that a sweep's jobs can be submitted from this machine.

    Args:
        launcher: Hydra's configuration of the launcher, or None.
        sweep: the sweep's name.
        stores: the addresses of the tracking stores that its jobs deliver to.

    Raises:
        UserError: SLURM is not installed here, or it still has jobs of this sweep; or a password would be handed over,
            which Hydra stores.
    """
    if _class(launcher) == RAY_LAUNCHER:
        _check_no_password(stores)
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


def tell_of_kills(launcher: Any) -> None:
    """Let joblib's launcher say in one message that one of its processes was killed, where Hydra prints a traceback.

    Ray's launcher takes SIGTERM for itself, and exits as if a job had failed: let it end the command as SIGTERM does.
    """
    if _class(launcher) not in (JOBLIB_LAUNCHER, RAY_LAUNCHER):
        return
    kind: Any = get_class(_class(launcher))
    launch = kind.launch

    def telling(*arguments: Any, **more: Any) -> Any:
        try:
            return launch(*arguments, **more)
        except SystemExit as end:
            raise Terminated from end
        except BrokenProcessPool as error:
            raise UserError(
                "A process of the launcher was killed (out of memory?), and joblib has ended the others. Finished "
                "trainings are kept: the same command goes on from here. Fewer jobs at once need less memory: "
                "see hydra.launcher.n_jobs."
            ) from error

    kind.launch = telling


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

    These are the jobs on a Ray cluster. Hydra stores the values in every job's folder (``.hydra``), so an address with
    a password is left out; so is a value that OmegaConf would take for an interpolation.
    """
    if _class(launcher) != RAY_LAUNCHER:
        return []
    values = {name: os.environ[name] for name in HANDED_OVER if name in os.environ}
    return [
        f"++hydra.job.env_set.{name}={quoted(value)}"
        for name, value in values.items()
        if "${" not in value and not (name == TRACKING and _has_password(value))
    ]


def _check_no_password(stores: Collection[str]) -> None:
    address = os.environ.get(TRACKING, "")
    if address in stores and _has_password(address):
        raise UserError(
            f"The jobs of this launcher would be given {shown_address(address)} with its password, which Hydra stores "
            f"in their folders. Give {TRACKING} without it, and the cluster's machines MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD; or train with tracking=none, and deliver by the same command without launcher."
        )


def _has_password(address: str) -> bool:
    return shown_address(address) != address


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
