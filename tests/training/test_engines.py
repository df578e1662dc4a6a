"""The engines ``serial`` and ``workers``, and the choice of an engine."""

import os
import signal
import sys

from training.agreement import identical

from ser.training import engines
from ser.training.engines import Replica
from ser.training.loop import train


def test_workers_agree_with_serial_to_the_last_bit(new_task):
    task = new_task()
    replicas = [Replica(seed, fold, f"{seed}{fold}") for seed in (0, 1) for fold in (1, 2)]
    serial = dict(engines.serial(engines.work(task, replicas)))
    workers = dict(engines.on_workers(engines.work(task, replicas), workers=2))
    assert serial.keys() == workers.keys() == set(replicas)
    assert all(identical(serial[replica], workers[replica]) for replica in replicas)
    assert all((outcome.seed, outcome.fold) == (replica.seed, replica.fold) for replica, outcome in workers.items())


def test_a_failed_replica_does_not_stop_the_others(new_task):
    replicas = [Replica(0, 1, "a"), Replica(0, 99, "b"), Replica(0, 2, "c")]
    results = dict(engines.on_workers(engines.work(new_task(), replicas), 2))
    errors = {replica.fold for replica, result in results.items() if isinstance(result, Exception)}
    assert errors == {99}


class EndsItsProcess:
    """A class of a user's own that calls ``sys.exit`` in fold 3."""

    def __init__(self, validation):
        self.validation = validation

    def __call__(self, sessions, labels, test, rng):
        if test == 2:
            sys.exit("no such file")
        return self.validation(sessions, labels, test, rng)


def test_a_training_that_calls_sys_exit_fails_alone(new_task):
    task = new_task()
    ending = type(task)(**{**vars(task), "validation": EndsItsProcess(task.validation)})
    replicas = [Replica(0, fold, str(fold)) for fold in (3, 1)]
    results = dict(engines.on_workers(engines.work(ending, replicas), workers=2))
    assert "ended its process with SystemExit: no such file" in str(results[replicas[0]])
    assert identical(results[replicas[1]], train(task, 0, 1))


class KillsItsWorker:
    """A validation split that kills the process in fold 3, as the system does when memory is short."""

    def __init__(self, validation):
        self.validation = validation

    def __call__(self, sessions, labels, test, rng):
        if test == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.validation(sessions, labels, test, rng)


def test_a_killed_worker_costs_only_the_replica_that_kills_it(new_task):
    task = new_task()
    killing = type(task)(**{**vars(task), "validation": KillsItsWorker(task.validation)})
    replicas = [Replica(0, fold, str(fold)) for fold in (1, 2, 3, 4, 5)]
    results = dict(engines.on_workers(engines.work(killing, replicas), workers=2))
    errors = {
        replica.fold: type(result).__name__ for replica, result in results.items() if isinstance(result, Exception)
    }
    assert errors == {3: "BrokenProcessPool"}
    assert identical(results[replicas[0]], train(task, 0, 1))


def test_the_choice_of_an_engine():
    assert engines.choose("serial", None, "cpu") is engines.serial
    assert engines.choose("auto", 1, "cpu") is engines.serial
    assert engines.choose("auto", 4, "cuda", 16).func is engines.in_stacks
    assert engines.choose("stack", 4, "cpu", 16).keywords == {"size": 16}
    assert engines.choose("auto", 4, "cpu").keywords == {"workers": 4}
