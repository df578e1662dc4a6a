"""Trainings that are killed and continued, against those that nobody disturbed: equal to the last bit."""

import errno
import multiprocessing
import os
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from results.claiming import another_process, claim_for
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn
from training.agreement import identical

from ser.results.store import ResultStore
from ser.results.weights import read
from ser.sweep.handover import STARTED
from ser.system import tensors
from ser.system.alive import Owner
from ser.training import loop
from ser.training.checkpoints import Checkpoint
from ser.training.loop import attempt, train
from ser.training.stack.engine import stack
from ser.training.stack.state import Stack
from ser.training.trainer import Recipe

EPOCHS = 5
SETTINGS = [
    f"trainer.max_epochs={EPOCHS}",
    "trainer.checkpoint_minutes=0",
    "trainer.lr=1e-2",
    "save=all",
    "model.channels=2",
]


class Killed(KeyboardInterrupt):
    """What ends a training in the middle, as a signal does: no engine takes it for an error of the training."""


@pytest.fixture
def kills(monkeypatch):
    """``kills(after, every=1)``: from now on a checkpoint is written every so many epochs; after some, the kill."""
    keep = Checkpoint.keep

    def set_up(after, every=1):
        epochs = 0

        def kept(self, state):
            nonlocal epochs
            epochs += 1
            if epochs % every == 0:
                keep(self, state)
            if epochs == after:
                raise Killed

        monkeypatch.setattr(Checkpoint, "keep", kept)

    return set_up


@pytest.fixture
def task(new_job):
    """``task(*settings, model=None, recipe=None)``: a task of five epochs, each with a checkpoint."""

    def new(*settings, **changed):
        return replace(new_job(*SETTINGS, *settings).task(), **changed)

    return new


def undisturbed(task):
    """The task without checkpoints, its weights in another folder."""
    return replace(task, checkpoints=None, saving=replace(task.saving, results=task.saving.results / "undisturbed"))


def in_pieces(task, kills):
    """Train seed 0, fold 1, killed after each epoch."""
    outcome, commands = None, 0
    while outcome is None:
        kills(after=1)
        torch.manual_seed(commands)  # a new process finds the generators in another state
        commands += 1
        try:
            outcome = train(task, 0, 1)
        except Killed:
            continue
    assert commands == len(outcome.history)
    return outcome


def same_weights(task):
    """Whether a task and its ``undisturbed`` one wrote the same weights, of every epoch and of the tested one."""
    folder, other = task.saving.results, undisturbed(task).saving.results
    files = sorted(path.relative_to(other) for path in other.rglob("replicas/*/*.safetensors"))
    assert files == sorted(path.relative_to(folder) for path in folder.glob("replicas/*/*.safetensors"))
    pairs = [(read(folder / file).network, read(other / file).network) for file in files]
    return len(files) > 1 and all(
        ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
        for ours, theirs in pairs
    )


class Own(nn.Module):
    """A model that draws random numbers, and that counts in buffers what its forward pass uses."""

    vector_size = 4

    def __init__(self, frames, features, classes):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.3))
        self.classifier = nn.Linear(4, classes)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(features), persistent=False)

    def forward(self, frames, count):
        vector = frames.sum(dim=1) / count[:, None]
        if self.training:
            self.seen = self.seen + 1
            self.mean = 0.9 * self.mean + 0.1 * vector.mean(dim=0)
        vector = self.layers(vector - self.mean / self.seen.sqrt())
        return vector, self.classifier(vector)


@pytest.mark.parametrize(
    "setting",
    [
        "trainer.patience=1 trainer.batch_size=8", "trainer.statistics=running aux_task=gender",
        "length.train=crop loader.redraw=false trainer.below=previous", "trainer=sgd trainer.batch_norm=branch",
        "loss=arcface", "augment=specaugment",
        "loss=none trainer=adamw model=attentive_cnn",
    ],
)  # fmt: skip
def test_a_training_killed_after_every_epoch_ends_like_an_undisturbed_one(task, kills, setting):
    small = task(*setting.split())
    assert identical(in_pieces(small, kills), train(undisturbed(small), 0, 1))
    assert same_weights(small)


def test_a_model_with_dropout_and_buffers_of_its_own_too(task, kills):
    own = task("trainer.batch_size=8", model=Own)
    torch.manual_seed(99)
    reference = train(undisturbed(own), 0, 1)
    assert identical(in_pieces(own, kills), reference)
    assert same_weights(own)
    assert not identical(train(undisturbed(own), 1, 1), reference)


@pytest.mark.parametrize("epoch", range(1, EPOCHS))
def test_a_training_killed_once_is_continued_at_the_next_epoch(task, kills, caplog, epoch):
    small = task("length.train=crop")
    kills(after=epoch)
    with pytest.raises(Killed):
        train(small, 0, 1)
    kills(after=EPOCHS)
    caplog.set_level("INFO", logger="ser")
    outcome = train(small, 0, 1)
    assert caplog.messages == [f"{small.checkpoints.name}: seed 0, fold 1: continued at epoch {epoch + 1} of {EPOCHS}"]
    assert identical(outcome, train(undisturbed(small), 0, 1))
    assert outcome.seconds > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the process is forked")
def test_a_process_that_sigkill_ends(task):
    long = task("trainer.max_epochs=40", "trainer.patience=1000", "save=best")
    process = multiprocessing.get_context("fork").Process(target=train, args=(long, 0, 1))
    process.start()
    folder, end = long.saving.results / "checkpoints", time.monotonic() + 60
    while not list(folder.glob("[!.]*")) and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    (path,) = folder.glob("[!.]*")
    state, _ = tensors.read_state(path)
    assert 1 <= len(state["history"]) < 40
    assert identical(train(long, 0, 1), train(undisturbed(long), 0, 1))
    assert list(folder.iterdir()) == [path]


class TestStack:
    """Replicas that end at different epochs, two at a time: what a replica's slot is taken by depends on all."""

    @pytest.fixture
    def five(self, new_job):
        """A task, and five replicas of it."""
        schedule = ("trainer.lr=3e-2", "trainer.min_lr=1e-2", "trainer.max_epochs=6", "trainer.batch_size=8")
        job = new_job(*SETTINGS, *schedule, "aux_task=gender", "engine=stack", "save=best")
        return job.task(), job.experiment.replicas()

    @pytest.mark.parametrize(("after", "every"), [(2, 1), (5, 3)])
    def test_a_stack_that_is_killed_again_and_again(self, five, kills, after, every):
        task, replicas = five
        reference = dict(stack(undisturbed(task), replicas, size=2))
        assert len({len(outcome.history) for outcome in reference.values()}) > 1
        outcomes, commands = {}, 0
        while len(outcomes) < len(replicas):
            kills(after, every)
            commands += 1
            try:
                for replica, outcome in stack(task, [each for each in replicas if each not in outcomes], size=2):
                    assert replica not in outcomes
                    outcomes[replica] = outcome
            except Killed:
                continue
        assert commands > 2
        assert all(identical(outcomes[replica], reference[replica]) for replica in replicas)
        assert same_weights(task)
        assert not list(task.saving.results.glob("checkpoints/*"))

    def test_where_it_goes_on_is_said_and_another_size_begins_again(self, five, kills, caplog):
        task, replicas = five
        kills(after=2)
        with pytest.raises(Killed):
            list(stack(task, replicas, size=2))
        kills(after=1000)
        caplog.set_level("INFO", logger="ser")
        with pytest.raises(Killed):
            kills(after=1)
            list(stack(task, replicas, size=2))
        assert caplog.messages == [f"{task.checkpoints.name}: continued at epoch 3 of 6 (a stack of 2)"]
        caplog.clear()
        kills(after=1000)
        alone = dict(stack(undisturbed(task), replicas[:3], size=3))
        assert all(identical(outcome, alone[replica]) for replica, outcome in stack(task, replicas[:3], size=3))
        assert ["it is of another engine.stack" in message for message in caplog.messages] == [True]

    def test_two_processes_with_parts_of_a_job_do_not_share_a_checkpoint(self, five, kills, caplog):
        task, replicas = five
        results, store = task.checkpoints.results, task.checkpoints.store
        kills(after=1)
        with pytest.raises(Killed):
            list(stack(task, replicas[:2], size=2))
        path = store.checkpoint_path(task.checkpoints.stack)
        theirs = path.read_bytes()
        assert not list(results.glob("claims/*")), "the killed one has ended its claim"
        caplog.set_level("INFO", logger="ser")
        kills(after=1000)
        with another_process() as other:
            claim_for(results.parent, task.checkpoints.stack, Owner.of(other.pid), results.name)
            mine = dict(stack(task, replicas[2:], size=3))
        assert path.read_bytes() == theirs
        assert "no checkpoint is kept here" in caplog.text
        assert all(identical(mine[each], outcome) for each, outcome in stack(undisturbed(task), replicas[2:], size=3))
        caplog.clear()
        list(stack(task, replicas[:2], size=2))
        assert "continued at epoch 2" in caplog.text
        assert not path.exists()
        assert not list(results.glob("claims/*"))

    def test_after_a_full_disk_the_next_command_goes_on(self, five, kills, monkeypatch, caplog):
        """The replicas of the stack have failed; those that waited are trained, without the checkpoint."""
        task, replicas = five
        reference, epoch, epochs = dict(stack(undisturbed(task), replicas[:3], size=2)), Stack.epoch, 0
        kills(after=1000)

        def full(self):
            nonlocal epochs
            epochs += 1
            if epochs == 3:
                raise OSError(errno.ENOSPC, "No space left on device")
            epoch(self)

        monkeypatch.setattr(Stack, "epoch", full)
        results = dict(stack(task, replicas[:3], size=2))
        failed = [replica for replica, result in results.items() if isinstance(result, OSError)]
        assert failed == replicas[:2]
        assert results.keys() == set(replicas[:3])
        caplog.set_level("INFO", logger="ser")
        again = dict(stack(task, failed, size=2))
        assert f"{task.checkpoints.name}: continued at epoch 3 of 6 (a stack of 2)" in caplog.messages
        assert all(identical(again[replica], reference[replica]) for replica in failed)
        assert not list(task.checkpoints.results.glob("checkpoints/*"))


class TestNotContinued:
    @pytest.fixture
    def kept(self, task, kills):
        """A task whose seed 0, fold 1 was killed after its second epoch, its checkpoint, and the true outcome."""
        small = task("save=none")
        kills(after=2)
        with pytest.raises(Killed):
            train(small, 0, 1)
        kills(after=1000)
        (path,) = small.checkpoints.results.glob("checkpoints/*")
        return small, path, train(replace(small, checkpoints=None), 0, 1)

    @staticmethod
    def check(small, path, outcome, caplog, why):
        """Train again: from the first epoch, with one message, the file put aside."""
        assert identical(train(small, 0, 1), outcome)
        (message,) = caplog.messages
        assert (
            f"seed 0, fold 1: starts again from its first epoch. Its checkpoint cannot be continued ({why}" in message
        )
        aside = message.partition(" It is now ")[2].removesuffix(".")
        assert aside.startswith(f"{path}.damaged")
        assert Path(aside).exists()

    def test_damaged(self, kept, caplog):
        small, path, outcome = kept
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[-5] ^= 1
        for data in (b"", whole[:7], whole[:-1], whole[: len(whole) // 2], b"{}" * 100, bytes(flipped)):
            path.write_bytes(data)
            self.check(small, path, outcome, caplog, "it is damaged, or of another form)")
            caplog.clear()

    def test_of_another_kind(self, kept, caplog):
        small, path, outcome = kept
        state, about = tensors.read_state(path)
        path.unlink()
        path.mkdir()
        self.check(small, path, outcome, caplog, "it is damaged, or of another form)")
        for metadata in (None, {"ser": "[]"}, {"ser": "{}"}, {"ser": '{"state": 1, "digest": 2}'}):
            caplog.clear()
            save_file({"a": torch.zeros(2)}, path, metadata=metadata)
            self.check(small, path, outcome, caplog, "it is damaged, or of another form)")
        del state["best"]
        caplog.clear()
        tensors.write_state(path, state, about)
        self.check(small, path, outcome, caplog, "KeyError: 'best')")

    def test_of_other_parameters(self, kept, caplog):
        small, path, outcome = kept
        state, about = tensors.read_state(path)
        name = next(iter(state["network"]))
        state["network"][name] = state["network"][name][:1]
        tensors.write_state(path, state, about)
        self.check(small, path, outcome, caplog, "its parameters or buffers have other names, shapes or types")

    @pytest.mark.parametrize("what", ["source of ser", "versions", "device"])
    def test_made_by_something_else(self, kept, caplog, what):
        small, path, outcome = kept
        made_by = {**small.checkpoints.made_by, what: "another"}
        small = replace(small, checkpoints=replace(small.checkpoints, made_by=made_by))
        self.check(small, path, outcome, caplog, f"it is of another {what}")

    def test_a_file_that_cannot_be_renamed(self, kept, caplog, monkeypatch):
        small, path, outcome = kept
        path.write_bytes(b"")

        def refuse(*_):
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(Path, "rename", refuse)
        assert identical(train(small, 0, 1), outcome)
        assert [message.endswith(" It cannot be renamed: Permission denied.") for message in caplog.messages] == [True]

    def test_of_another_training(self, kept, caplog):
        small, path, _ = kept
        shutil.copy(path, ResultStore(small.checkpoints.results).checkpoint_path("other"))
        Checkpoint(small.checkpoints, "other", "other", {"engine": "serial"}).resumed(lambda state: pytest.fail())
        assert "it is of another training" in caplog.text

    def test_without_the_weights_of_its_epochs(self, kept, new_job, caplog):
        small, path, outcome = kept
        self.check(
            replace(small, saving=new_job(*SETTINGS).task().saving), path, outcome, caplog, "the weights of its epoch 1"
        )


def test_a_checkpoint_that_cannot_be_written_ends_no_training(task, monkeypatch, caplog):
    small = task("save=none")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensors, "write_state", full)
    train(small, 0, 1)
    assert ["no checkpoint can be written: [Errno 28] No space left" in each for each in caplog.messages] == [True]


class WithAnObject(torch.optim.SGD):
    """An optimiser whose state is no tensor and no number."""

    def step(self, closure=None):
        super().step(closure)
        self.state[self.param_groups[0]["params"][0]]["object"] = object()


class OwnRecipe(Recipe):
    def optimiser(self, parameters):
        return WithAnObject(parameters, lr=1e-2)


def test_a_state_that_cannot_be_written_is_said_once(task, caplog):
    small = task("save=none")
    train(replace(small, recipe=OwnRecipe(**vars(small.recipe))), 0, 1)
    assert ["no checkpoint can be written: a object cannot be written" in each for each in caplog.messages] == [True]


def test_nothing_is_written_before_the_minutes_have_passed_nor_with_null(new_job):
    assert new_job("trainer.checkpoint_minutes=null").task().checkpoints is None
    task = new_job().task()
    assert task.checkpoints.seconds == 120
    train(task, 0, 1)
    assert not task.checkpoints.results.exists()


def test_the_checkpoint_goes_when_the_result_is_stored_or_the_training_has_failed(new_job, kills):
    job = new_job(*SETTINGS, "save=none")
    replica = job.experiment.replicas()[0]
    folder = job.settings.results / "checkpoints"
    for result in (train(replace(job.task(), checkpoints=None), *replica[:2]), ValueError("no")):
        kills(after=2)
        with pytest.raises(Killed):
            train(job.task(), *replica[:2])
        assert [path.stem for path in folder.iterdir()] == [replica.signature]
        job.keep(replica, result)
        assert not list(folder.iterdir())


def test_with_resume_false_each_command_has_checkpoints_of_its_own(new_job, kills, monkeypatch):
    """None goes on from another's, deletes it, or deletes what the other one is writing."""
    jobs, paths = [], []
    for mark, resume in (("17.25", "false"), ("17.5", "false"), ("18", "true")):
        monkeypatch.setenv(STARTED, mark)
        jobs.append(new_job(*SETTINGS, "save=none", f"resume={resume}"))
    (replica, *_) = jobs[0].experiment.replicas()
    for job in jobs:
        kills(after=1)
        with pytest.raises(Killed):
            train(job.task(), *replica[:2])
        paths.append(job.store.checkpoint_path(replica.signature))
    folder = jobs[0].settings.results / "checkpoints"
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    assert [path.stem.partition("-")[2] for path in paths] == ["17.25", "17.5", ""]
    being_written = [path.with_name(f".{path.stem}-abcdefgh{path.suffix}") for path in paths]
    for job, path, half in zip(jobs, paths, being_written, strict=True):
        for each in being_written:
            each.touch()
        kills(after=1000)
        job.keep(replica, train(job.task(), *replica[:2]))
        assert [each for each in being_written if not each.exists()] == [half]
        assert not path.exists()
        assert all(other.exists() for other in paths[paths.index(path) + 1 :])


class TestTheMachineFailed:
    """While a checkpoint is read: it may be whole, and stays where it is."""

    ERRORS = (OSError(errno.EIO, "Input/output error"), MemoryError(), torch.OutOfMemoryError("CUDA out of memory"))

    @pytest.fixture
    def job(self, new_job, kills):
        """A job whose first training was killed after its second epoch."""
        job = new_job(*SETTINGS, "save=none")
        kills(after=2)
        with pytest.raises(Killed):
            train(job.task(), *job.experiment.replicas()[0][:2])
        kills(after=1000)
        return job

    @pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
    @pytest.mark.parametrize("where", ["read_state", "overwrite"])
    def test_it_goes_on_afterwards(self, job, monkeypatch, caplog, error, where):
        replica = job.experiment.replicas()[0]

        def fail(*_):
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(*((tensors, where) if where == "read_state" else (loop, where)), fail)
            result = attempt(job.task(), replica)
        assert type(result) is type(error)
        job.keep(replica, result)
        assert job.store.failure(replica.signature) is not None
        caplog.clear()
        caplog.set_level("INFO", logger="ser")
        train(job.task(), *replica[:2])
        assert "continued at epoch 3 of 5" in caplog.text


def test_the_error_of_the_system_is_known_by_its_number_in_the_text(tmp_path, monkeypatch):
    """safetensors gives no other."""

    def fail(*_, **__):
        raise SafetensorError("I/O error: Input/output error (os error 5)")

    monkeypatch.setattr("safetensors.safe_open", fail)
    with pytest.raises(OSError, match="Input/output error") as raised:
        tensors.read_state(tmp_path / "a.safetensors")
    assert raised.value.errno == errno.EIO
