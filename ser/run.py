"""The entry: ``python -m ser.run -m loss=cos,l2 lambda=0.6,0.7,0.8``."""

import logging
import os
import shlex
import socket
import sys
import time
from typing import TYPE_CHECKING

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import get_original_cwd
from omegaconf import DictConfig

from ser.config.paths import conf_dir
from ser.errors import UserError, told_to_user
from ser.sweep import commandline, launchers
from ser.sweep.handover import COMMAND, PLANNED, PROCESS, STARTED, SWEPT
from ser.sweep.help import help_text, wants_help
from ser.sweep.hydra_internals import parse_flags
from ser.system import pool
from ser.system.command import end_with_reader, run_command
from ser.system.progress import ConsoleHandler

if TYPE_CHECKING:
    from ser.data.experiment import Experiment
    from ser.sweep.planned import Plan


@hydra.main(config_path=str(conf_dir().resolve()), config_name="config", version_base="1.3")
def job(cfg: DictConfig) -> float | None:
    """One point of a sweep: do the missing trainings and deliver the runs.

    On this machine ``_sweep`` has done the trainings of all points before; then what failed is told here.

    Returns:
        The mean validation accuracy over the finished seeds, for a sweeper that optimises it; None without any.
    """
    from ser.config.settings import resolve
    from ser.data.experiment import make_experiment
    from ser.sweep import queue
    from ser.sweep.job import FailedTrainingsError, Job

    overrides = list(HydraConfig.get().overrides.task)
    if tuple(overrides) in _cannot_run:
        return None
    with told_to_user():
        _join_the_command()
        this = Job(make_experiment(resolve(cfg, overrides), overrides))
        this.announce()
        try:
            queue.conclude(this, _trained, tuple(overrides))
        except FailedTrainingsError:
            if os.environ.get(PLANNED) != this.settings.sweep:  # else the closing table tells them
                raise
        finally:
            wa = this.deliver()
        return wa


def _join_the_command() -> None:
    """In a job that a launcher started: go to the folder of the command, and end with it if it is on this machine.

    Raises:
        UserError: this machine has no such folder.
    """
    folder = get_original_cwd()
    try:
        os.chdir(folder)
    except OSError as error:
        raise UserError(
            f"{folder}, where the sweep was started, cannot be used on {socket.gethostname()} ({error.strerror}). "
            "Start sweeps in a folder that all machines of the cluster have in common."
        ) from error
    if pool.launched():
        pool.end_with(int(os.environ[PROCESS]))


_cannot_run: set[tuple[str, ...]] = set()
"""The overrides of the planned points that cannot run; the closing table tells why."""

_trained: dict[tuple[str, ...], Exception | None] = {}
"""The overrides of the points whose trainings were done before Hydra visits them, with why they could not begin."""


def main() -> None:
    """Check the whole sweep, run it with its progress shown, and print its table.

    The exit status is 0 if everything has a result, 1 if something failed after the start, 2 if the command was refused
    before anything ran, 130 after Ctrl-C, 143 after SIGTERM.
    """
    run_command(_command, "Stopped. Finished trainings are kept: the same command goes on from here.")


def _command() -> int:
    if wants_help(sys.argv[1:]):
        print(help_text(sys.argv[1:]))
        return 0
    return _sweep()


def _sweep() -> int:
    sys.argv[1:] = commandline.hide_password(sys.argv[1:])
    os.environ[COMMAND] = shlex.join(["python", "-m", "ser.run", *sys.argv[1:]])
    sys.argv[1:] = commandline.rewrite(sys.argv[1:])
    args = parse_flags(sys.argv[1:])
    if args.experimental_rerun:
        raise UserError("--experimental-rerun is not supported: a pickle can run code. Type the command again.")
    flags = commandline.flags_of(sys.argv[1:], args.overrides)
    dry = commandline.take_dry_run(args.overrides)
    if args.config_dir or args.config_name:
        from ser.sweep.secrets import with_hidden_password

        args.overrides = with_hidden_password(args.overrides, args.config_name, args.config_dir)
    if not commandline.trains(args):
        sys.argv[1:] = [*flags, *args.overrides]
        end_with_reader()  # Hydra prints, and would print a traceback
        job()
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[ConsoleHandler()])  # until Hydra's own
    from ser.sweep.compose import given_name, with_folder
    from ser.sweep.naming import sweep_name
    from ser.sweep.plan import make_plan

    os.environ[STARTED], os.environ[PROCESS] = str(time.time()), str(os.getpid())
    args.overrides = with_folder(args.overrides, bool(args.multirun), args.config_name, args.config_dir)
    if given_name(args.overrides, bool(args.multirun), args.config_name, args.config_dir) is None:
        args.overrides.append(f"sweep={sweep_name(args.overrides)}")
    sys.argv[1:] = [*flags, *args.overrides]
    planned = make_plan(args, dry)
    if dry:
        return _show(planned)
    if planned is None:
        job()
        return 0
    return _train(*planned)


def _train(plan: "Plan", here: "list[Experiment]") -> int:
    """Train a plan with its progress shown, and print its table; the exit status is 1 if something failed.

    Args:
        plan: the plan.
        here: the experiments that this process trains as one queue.
    """
    from ser.sweep.display import watch

    os.environ[PLANNED], os.environ[SWEPT] = plan.name, ",".join(plan.swept)
    sys.argv += launchers.handover(plan.launcher)
    launchers.tell_of_kills(plan.launcher)
    _cannot_run.update(point.overrides for point in plan.points if point.error)

    def run() -> None:
        """Train all points as one queue, then let Hydra visit each."""
        from ser.sweep import queue
        from ser.sweep.job import Job

        jobs = [Job(experiment) for experiment in here]
        trained = queue.train_all(jobs)
        _trained.update((each.experiment.overrides, error) for each, error in trained.items())
        job()

    try:
        return watch(plan, run)
    except KeyboardInterrupt:
        goes_on = launchers.what_goes_on(plan.launcher, plan.name)
        if goes_on:
            print(goes_on, file=sys.stderr)
        raise
    except UserError as error:  # after the start: failed, not refused
        print(error, file=sys.stderr)
        return 1


def _show(planned: "tuple[Plan, list[Experiment]] | None") -> int:
    """Print what a command would train; the exit status is 1 if a point cannot run."""
    if planned is None:
        raise UserError("dry_run=true: this sweeper chooses its points as it goes, so they are not known before.")
    from ser.sweep.status import dry_run

    plan, experiments = planned
    print(dry_run(plan, experiments[0].settings.resume if experiments else True))
    return int(any(point.error for point in plan.points))


if __name__ == "__main__":
    from ser.run import main as run_main  # workers import this module by its own name, not as __main__

    run_main()
