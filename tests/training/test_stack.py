"""The engine ``stack`` against ``serial``, on the CPU."""

import logging
import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch
from support import EMODB, NO_EMODB, settings
from torch import nn

from multirun_analysis.inference.statistics import paired_difference
from ser.data.experiment import make_experiment
from ser.errors import UserError
from ser.results.metrics import weighted_accuracy
from ser.results.outcome import Replica
from ser.training import engines, loop
from ser.training.sampling import Sampling
from ser.training.stack import engine as stack_module
from ser.training.stack import state as stacked
from ser.training.stack.batches import Batches
from ser.training.stack.engine import stack
from ser.training.stack.masking import MaskedBatchNorm, mask_norms
from ser.training.task import make_task
from ser.training.trainer import Recipe

FIXED = ("length=1", "model.channels=4", "trainer.patience=1000", "trainer.batch_size=4", "tracking=none", "device=cpu")
"""A schedule that never halves, and some batches an epoch."""

REPLICAS = [Replica(seed, fold, f"{seed}-{fold}") for seed, fold in ((0, 1), (0, 2), (1, 3), (1, 4), (2, 1))]


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def task(tiny):
    def make(*overrides, model=None, checkpoints=None):
        paths = (f"corpus.root={tiny}", "corpus.size=tiny", f"cache.dir={tiny.parent}/cache")
        fixed = [o for o in FIXED if not (o.startswith("model.") and any("model=" in more for more in overrides))]
        chosen = settings(*fixed, *paths, *overrides)
        made = make_task(make_experiment(chosen), "cpu", checkpoints)
        return type(made)(**{**vars(made), "model": model}) if model else made

    return make


def results(found):
    """Outcomes by replica; an error in one is an error of the test."""
    for _, result in found:
        if isinstance(result, Exception):
            raise result
        yield result


def difference(one, other):
    """The largest difference of two outcomes' histories and probabilities."""
    assert [row.keys() for row in one.history] == [row.keys() for row in other.history]
    rows = [abs(a[name] - b[name]) for a, b in zip(one.history, other.history, strict=True) for name in a]
    return max(*rows, np.abs(one.average - other.average).max(), np.abs(one.crop - other.crop).max())


def serial_steps(task, replica, monkeypatch):
    """The parameters after every update."""
    steps = []
    optimiser = type(task.recipe.optimiser([nn.Parameter(torch.zeros(1))]))
    kept = optimiser.step

    def step(self):
        kept(self)
        steps.append([parameter.detach().clone() for parameter in self.param_groups[0]["params"]])

    with monkeypatch.context() as patch:
        patch.setattr(optimiser, "step", step)
        loop.train(task, replica.seed, replica.fold)
    return steps


def stacked_steps(task, monkeypatch):
    """Every replica's parameters after each update of its own, and how often a replica had to stand still."""
    steps, still = {replica: [] for replica in REPLICAS}, []
    kept = stacked.Stack.step

    def step(self, batch, *more):
        losses = kept(self, batch, *more)
        if len(self.members) < len(REPLICAS):  # a trial beforehand
            return losses
        for place, (member, number) in enumerate(zip(self.members, batch.number.tolist(), strict=True)):
            if number:
                own = [tensor[place].detach().clone() for tensor in self.tensors["parameters"].values()]
                steps[member.replica].append(own)
            else:
                still.append(member.replica)
        return losses

    with monkeypatch.context() as patch:
        patch.setattr(stacked.Stack, "step", step)
        list(results(stack(task, REPLICAS, size=len(REPLICAS))))
    return steps, still


@pytest.mark.parametrize(
    "setting",
    [
        "loss=cos", "loss=l2 position=pos_2", "loss=none trainer.batch_size=8", "aux_task=gender",
        "loss=l2 trainer.batch_norm=branch", "trainer=adamw trainer.weight_decay=0.1", "trainer=sgd",
        "trainer=sgd trainer.momentum=0",
    ],
)  # fmt: skip
def test_parameters_agree_with_serial_step_by_step(task, setting, monkeypatch):
    made = task(*setting.split(), "trainer.max_epochs=13")
    ours, still = stacked_steps(made, monkeypatch)
    assert still, "folds of unequal size: some replica had to wait for another"
    for replica in REPLICAS:
        reference = serial_steps(made, replica, monkeypatch)
        assert len(ours[replica]) == len(reference) >= 50
        assert (reference[0][0] - reference[-1][0]).abs().max() > 1e-3, "they move by far more than they differ"
        for one, other in zip(ours[replica], reference, strict=True):
            assert max((a - b).abs().max().item() for a, b in zip(one, other, strict=True)) < 1e-5


@pytest.mark.parametrize(
    "setting",
    [
        "trainer.max_epochs=5", "length.train=crop", "length.train=first trainer.batch_size=3",
        "lambda=linear lambda.epochs=2", "loader=loader_2 trainer.batch_norm=branch",
        "loader.redraw=false trainer.watch=train", "aux_task=valence loss=none",
        "feature.normalisation=speaker aux_task=activation", "loss=l2 loss.normalise=true loss.cross_entropy=sum",
        "position=pos_2 position.vector=probabilities", "model=attentive_cnn model.channels=4", "validation=session",
        "feature=logspec model=spectrogram_cnn_lstm model.hidden=0 trainer.max_epochs=1",
    ],
)  # fmt: skip
def test_outcomes_agree_with_serial(task, setting):
    made = task("trainer.max_epochs=3", *setting.split())
    chosen = REPLICAS[1:3] if "spectrogram" in setting else REPLICAS[:4]
    serial, ours = dict(engines.serial(made, chosen)), dict(stack(made, chosen, size=3))
    assert serial.keys() == ours.keys()
    for replica, reference in serial.items():
        assert difference(ours[replica], reference) < 2e-5
        for name in ("seed", "fold", "ids", "best_epoch", "left_out", "diverged"):
            assert getattr(ours[replica], name) == getattr(reference, name)


def test_bf16_agrees_with_serial_within_its_rounding(task):
    made = task("trainer.precision=bf16", "trainer.max_epochs=2")
    (reference,), (ours,) = results(engines.serial(made, REPLICAS[:1])), results(stack(made, REPLICAS[:1]))
    assert [row["train_loss"] for row in ours.history] == pytest.approx(
        [row["train_loss"] for row in reference.history], rel=0.02
    )


def test_each_replica_has_a_schedule_of_its_own(task):
    made = task("trainer.patience=0", "trainer.lr=1e-2", "trainer.min_lr=3e-3", "trainer.max_epochs=12")
    serial, ours = dict(engines.serial(made, REPLICAS)), dict(stack(made, REPLICAS, size=2))
    rates = {replica: [row["lr"] for row in outcome.history] for replica, outcome in ours.items()}
    assert len({len(own) for own in rates.values()}) > 1, "they end at different epochs, and others take their places"
    agreeing = [replica for replica in REPLICAS if [row["lr"] for row in serial[replica].history] == rates[replica]]
    assert len(agreeing) >= len(REPLICAS) - 1, "rounding may turn one schedule"


class TestStackMates:
    @pytest.fixture
    def poisoned(self, monkeypatch):
        """Seed 2 begins with weights that are no numbers."""
        kept = stacked.make_network

        def make(task, features, seed, fold):
            network = kept(task, features, seed, fold)
            if seed == 2:
                for parameter in network.parameters():
                    parameter.data.fill_(math.nan)
            return network

        monkeypatch.setattr(stacked, "make_network", make)

    def test_alone_and_with_others(self, task):
        made = task("trainer.max_epochs=4")
        (alone,) = results(stack(made, REPLICAS[:1]))
        with_others = dict(stack(made, REPLICAS))[REPLICAS[0]]
        assert difference(alone, with_others) < 1e-6

    def test_one_that_diverges_leaves_no_trace_to_the_last_bit(self, task, poisoned):
        made = task("trainer.max_epochs=4")
        healthy = Replica(3, 1, "3-1")
        beside_healthy = dict(stack(made, [*REPLICAS[:4], healthy], size=5))
        beside_diverging = dict(stack(made, REPLICAS, size=5))
        assert "diverged in its first epoch (seed 2, fold 1" in str(beside_diverging[REPLICAS[4]])
        assert isinstance(beside_diverging[REPLICAS[4]], UserError)
        first = [beside_healthy[replica].history[0] for replica in REPLICAS[:4]]
        assert first == [beside_diverging[replica].history[0] for replica in REPLICAS[:4]]
        rest = [difference(beside_healthy[replica], beside_diverging[replica]) for replica in REPLICAS[:4]]
        assert max(rest) < 1e-6, "from then on the stack is smaller by one"

    def test_one_that_cannot_begin_stops_no_other(self, task):
        found = dict(stack(task("trainer.max_epochs=1"), [Replica(0, 99, "b"), *REPLICAS[:2]]))
        assert [replica.fold for replica, result in found.items() if isinstance(result, Exception)] == [99]


class TestMaskedNorm:
    @pytest.mark.parametrize("shape", [(6, 3), (6, 3, 5)])
    @pytest.mark.parametrize("momentum", [0.1, None])
    def test_it_equals_pytorch_on_the_real_rows(self, shape, momentum):
        torch.manual_seed(0)
        norm = MaskedBatchNorm(nn.BatchNorm1d(3, momentum=momentum))
        reference = nn.BatchNorm1d(3, momentum=momentum)
        real = norm.real = torch.tensor([True, False, True, True, False, True])
        for _ in range(3):
            ours = torch.randn(shape).requires_grad_()
            theirs = ours.detach()[real].requires_grad_()
            slope = torch.randn_like(theirs)
            out, expected = norm(ours), reference(theirs)
            (out[real] * slope).sum().backward()
            (expected * slope).sum().backward()
            assert torch.allclose(out[real], expected, atol=1e-6)
            assert torch.allclose(ours.grad[real], theirs.grad, atol=1e-6)
            assert not ours.grad[~real].any()
        assert torch.allclose(norm.weight.grad, reference.weight.grad, atol=1e-5)
        for name, expected in reference.named_buffers():
            assert torch.allclose(norm.get_buffer(name), expected, atol=1e-6), name

    def test_images(self):
        norm, reference = MaskedBatchNorm(nn.BatchNorm2d(2)), nn.BatchNorm2d(2)
        norm.real = torch.tensor([True, True, False])
        images = torch.randn(3, 2, 4, 4)
        assert torch.allclose(norm(images)[:2], reference(images[:2]), atol=1e-6)
        assert torch.allclose(norm.running_var, reference.running_var, atol=1e-6)

    def test_every_norm_of_a_network_is_replaced_under_its_name(self):
        shared = nn.BatchNorm1d(2)
        network = nn.ModuleDict({"a": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "b": shared, "c": shared})
        names = list(network.state_dict())
        assert mask_norms(network) == ["a.1.real", "b.real"]
        assert list(network.state_dict()) == names
        assert network["b"] is network["c"]

    def test_one_that_would_mix_rows_in_evaluation_is_refused(self):
        with pytest.raises(ValueError, match="running statistics"):
            mask_norms(nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False)))


def test_a_replica_without_a_batch_does_not_change(task):
    made = task()
    members = [stacked.member(made, replica) for replica in REPLICAS[:2]]
    under_way = stacked.begin(made, members)
    groups = [
        (member.sampling.training, member.sampling.pairs, real) for member, real in zip(members, (4, 0), strict=True)
    ]
    before = {kind: {name: t.clone() for name, t in named.items()} for kind, named in under_way.tensors.items()}
    under_way.step(next(iter(Batches(groups, 4, "cpu"))), torch.ones(2), under_way.rates(1)[:, 0])
    for kind in ("parameters", "buffers", "first", "second"):
        changed = [not torch.equal(t, before[kind][name]) for name, t in under_way.tensors[kind].items()]
        assert any(changed)
        assert all(torch.equal(t[1], before[kind][name][1]) for name, t in under_way.tensors[kind].items())


def test_batches_hold_the_pairs_in_their_order(task):
    samplings = [Sampling(task(), seed, fold) for seed, fold in ((0, 1), (0, 2))]
    table = Batches([(sampling.training, sampling.pairs, len(sampling.pairs)) for sampling in samplings], 4, "cpu")
    for place, sampling in enumerate(samplings):
        windows = [batch.windows["start"][place].reshape(2, 4).T for batch in table]
        starts = torch.cat(windows)[: len(sampling.pairs)].numpy()
        assert (starts == sampling.training.start[sampling.pairs]).all()


class TestMemory:
    def test_the_number_together_is_the_free_memory_over_what_one_more_takes(self, task, monkeypatch):
        made = task()
        on_cuda = type(made)(**{**vars(made), "device": "cuda"})
        many = [Replica(seed, 1, str(seed)) for seed in range(30)]
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 4000))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 300)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 100)
        monkeypatch.setattr(stack_module, "_peak", lambda task, members: 500 + 50 * len(members))
        assert stack_module._room(on_cuda, many) == 20, "85 % of the 1200 that are free, by 50 a replica"
        assert stack_module._room(on_cuda, many[:3]) == 3
        assert stack_module._room(made, many) == stack_module.ON_CPU

    def test_out_of_memory_halves_the_stack_and_goes_on(self, task, monkeypatch, caplog):
        made = task("trainer.max_epochs=2")
        kept, sizes = stacked.Stack.epoch, []

        def epoch(self):
            sizes.append(len(self.members))
            if len(self.members) > 2:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            kept(self)

        reference = dict(stack(made, REPLICAS))
        monkeypatch.setattr(stacked.Stack, "epoch", epoch)
        with caplog.at_level(logging.WARNING):
            found = dict(stack(made, REPLICAS, size=4))
        assert sizes == [4, 2, 2, 2, 2, 1, 1]
        assert "out of memory with 4 replicas together, going on with 2" in caplog.text
        assert found.keys() == reference.keys()
        assert max(difference(found[replica], reference[replica]) for replica in REPLICAS) < 1e-6

    def test_one_replica_that_is_too_large_fails_alone(self, task, monkeypatch):
        def epoch(self):
            raise RuntimeError("CUDA error: out of memory")

        monkeypatch.setattr(stacked.Stack, "epoch", epoch)
        found = dict(stack(task(), REPLICAS[:3]))
        assert all("out of memory" in str(error) for error in found.values())
        assert set(found) == set(REPLICAS[:3])


@dataclass(frozen=True)
class Unbatched(Recipe):
    """A researcher's optimiser, for one replica only."""

    def optimiser(self, parameters):
        return torch.optim.RMSprop(parameters, lr=self.lr)


def test_an_optimiser_without_an_update_for_many_is_trained_alone_and_this_is_said(task, caplog):
    made = task("trainer.max_epochs=2")
    own = replace(made, recipe=Unbatched(**vars(made.recipe)))
    with caplog.at_level(logging.WARNING):
        found = dict(stack(own, REPLICAS[:2]))
    assert "its optimiser has no update for many replicas" in caplog.text
    for replica in REPLICAS[:2]:
        assert difference(found[replica], loop.train(own, replica.seed, replica.fold)) == 0
        assert difference(found[replica], loop.train(made, replica.seed, replica.fold)) > 1e-4


class OwnModel(nn.Module):
    """A researcher's model, which no engine has heard of, with norms of rows and of images.

    No bias before a norm: its gradient is rounding alone, which Adam blows up to full steps.
    """

    vector_size = 6

    def __init__(self, frames, features, classes):
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(1, 3, 3, stride=4, bias=False), nn.BatchNorm2d(3), nn.ELU())
        linear = nn.Linear(3 + features, self.vector_size, bias=False)
        self.rows = nn.Sequential(linear, nn.BatchNorm1d(self.vector_size), nn.Tanh())
        self.classifier = nn.Linear(self.vector_size, classes)

    def forward(self, frames, count):
        image = self.image(frames[:, None]).mean(dim=(2, 3))
        vector = self.rows(torch.cat([image, frames.sum(dim=1) / count[:, None]], dim=1))
        return vector, self.classifier(vector)


class Drops(OwnModel):
    def forward(self, frames, count):
        return super().forward(nn.functional.dropout(frames), count)


class Mixes(OwnModel):
    def forward(self, frames, count):
        return super().forward(frames - frames.mean(dim=0), count)


class TestModels:
    def test_a_new_model_trains_with_no_line_in_any_engine(self, task, caplog):
        made = task("trainer.max_epochs=4", "aux_task=gender", model=OwnModel)
        serial, ours = dict(engines.serial(made, REPLICAS)), dict(stack(made, REPLICAS))
        assert max(difference(serial[replica], ours[replica]) for replica in REPLICAS) < 1e-5
        assert not caplog.records

    @pytest.mark.parametrize("model, why", [(Drops, "random"), (Mixes, "mixes the rows")])
    def test_one_that_would_depend_on_its_mates_is_trained_alone(self, task, model, why, caplog):
        found = list(results(stack(task("trainer.max_epochs=1", model=model), REPLICAS[:2])))
        assert len(found) == 2
        assert [why in record.message for record in caplog.records] == [True]

    def test_so_is_one_that_pytorch_cannot_batch(self, task, caplog):
        made = task("feature=logspec", "model=spectrogram_cnn_lstm", "model.hidden=4", "trainer.max_epochs=1")
        (ours,) = results(stack(made, REPLICAS[:1]))
        assert "one after another" in caplog.text
        (reference,) = results(engines.serial(made, REPLICAS[:1]))
        assert difference(ours, reference) == 0


def test_the_engine_is_chosen_by_name_and_weights_are_kept(task, tmp_path):
    made = task("trainer.max_epochs=2", "save=all", checkpoints=tmp_path)
    found = dict(engines.choose("stack", None, "cpu", 2)(made, REPLICAS))
    assert found.keys() == set(REPLICAS)
    assert all((outcome.seed, outcome.fold) == replica[:2] for replica, outcome in found.items())
    names = {path.stem for path in (tmp_path / "seed_1_fold_3").iterdir()}
    assert names == {"best", "epoch_001", "epoch_002"}
    loop.train(type(made)(**{**vars(made), "checkpoints": tmp_path / "serial"}), 1, 3)
    ours, reference = (torch.load(folder / "seed_1_fold_3" / "best.pt") for folder in (tmp_path, tmp_path / "serial"))
    assert ours.keys() == reference.keys()
    assert all(torch.allclose(ours[name], reference[name], atol=1e-5) for name in ours)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not EMODB.exists(), reason=NO_EMODB)
@pytest.mark.parametrize("loss", ["none", "cos"])
def test_wa_over_seeds_is_that_of_serial(loss, tmp_path):
    """A schedule that halves on the smallest rise turns rounding into another learning rate: only means can agree."""
    keys = (f"loss={loss}", "length=1", "model.channels=30", "trainer.max_epochs=30", "tracking=none", "device=cpu")
    chosen = settings("corpus=emodb", f"corpus.root={EMODB}", f"cache.dir={tmp_path}", *keys)
    made = make_task(make_experiment(chosen), "cpu", None)
    replicas = [Replica(seed, fold, f"{seed}-{fold}") for seed in range(8) for fold in range(1, 6)]
    both = [_wa_by_seed(engine(made, replicas)) for engine in (engines.serial, partial(stack, size=10))]
    found = paired_difference(*both, np.random.default_rng(0))
    print(f"{loss}: serial {both[0].mean():.4f}, stack {both[1].mean():.4f}, {found}")
    assert found.interval.low <= 0 <= found.interval.high
    assert found.interval.high - found.interval.low < 0.03, "an interval that could have excluded it"
    assert both[0].mean() > 0.6, "they learned"


def _wa_by_seed(found):
    folds = {}
    for outcome in results(found):
        folds.setdefault(outcome.seed, []).append(weighted_accuracy(outcome.gold, outcome.average.argmax(axis=1)))
    return np.array([np.mean(folds[seed]) for seed in sorted(folds)])
