import inspect
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import composed, model_folder, settings

from ser.config import constructor, signature
from ser.config.build import locate
from ser.config.canonical import canonical
from ser.config.groups import DECISIVE, GROUPS, own_keys
from ser.config.paths import conf_dir
from ser.data.experiment import parameters_of
from ser.errors import UserError
from ser.features.mfcc import Mfcc

ALL_OPTIONS = [
    (group, path.stem) for group in [*GROUPS, "corpus"] for path in sorted((conf_dir() / group).glob("*.yaml"))
]

PRETRAINED = ("wav2vec2", "hubert", "wavlm")


@pytest.fixture
def needed(tmp_path):
    """What an option cannot do without, as a user types it."""

    def overrides(option: str) -> list[str]:
        return [f"feature.weights={model_folder(tmp_path, option)}"] if option in PRETRAINED else []

    return overrides


OF_CLASSES = [(group, option) for group, option in ALL_OPTIONS if group in DECISIVE]


def sign(*overrides: str) -> str:
    return signature.configuration(settings(*overrides).groups, "corpus")


@pytest.mark.parametrize(("group", "option"), ALL_OPTIONS, ids=map("=".join, ALL_OPTIONS))
def test_every_option_composes_and_says_what_it_is(group, option, needed):
    made = settings(f"{group}={option}", *needed(option))
    chosen = made.corpus if group == "corpus" else getattr(made, "lambda_" if group == "lambda" else group).plain
    assert chosen["name"] == option
    assert (conf_dir() / group / f"{option}.yaml").read_text().startswith("# ")


def test_the_papers_values_are_the_defaults():
    groups = settings("lambda=0.6").groups
    feature, model, trainer = groups["feature"], groups["model"], groups["trainer"]
    assert (feature["name"], feature["coefficients"], feature["bands"], feature["fmax"]) == ("mfcc", 13, 26, 6500)
    assert (feature["window"], feature["hop"], feature["n_fft"]) == (400, 160, 512)
    assert (model["channels"], model["kernels"], model["pool"], model["stride"]) == (100, [13, 7], 30, 3)
    assert (trainer["lr"], trainer["factor"], trainer["patience"]) == (1e-4, 0.5, 0)
    assert settings().segment_frames == 900
    assert (groups["loss"]["margin"], settings("loss=l2").groups["loss"]["margin"]) == (0.1, 1.0)


# Every key of the configuration: a value that changes it, and whether a number can change with it.
DECIDES = {
    "feature.sample_rate": "22050", "feature.window": "320", "feature.hop": "80", "feature.n_fft": "1024",
    "feature.center": "false", "feature.log": "natural", "feature.top_db": "60", "feature.normalisation": "speaker",
    "feature.bands": "40", "feature.fmin": "50", "feature.fmax": "8000", "feature.htk": "true",
    "feature.coefficients": "20", "feature.drop_c0": "true",
    "length.seconds": "3", "length.tail": "drop", "length.train": "first",
    "model.channels": "16", "model.kernels": "[13]", "model.pool": "20", "model.stride": "2",
    "loader.redraw": "false", "loss.margin": "0.2", "loss.cross_entropy": "sum", "lambda.weight": "0.7",
    "aux_task.weight": "0.1", "aux_task.edges": "[2.5,3.5]", "validation.fraction": "0.1",
    "validation.train_fraction": "0.5",
    "trainer.batch_size": "16", "trainer.lr": "1e-3", "trainer.min_lr": "1e-5", "trainer.factor": "0.7",
    "trainer.patience": "2", "trainer.watch": "train", "trainer.max_epochs": "7", "trainer.batch_norm": "branch",
    "trainer.statistics": "running", "trainer.below": "previous", "trainer.class_weights": "balanced",
    "trainer.select": "uwa",
    "trainer.precision": "bf16", "position.vector": "probabilities",
}  # fmt: skip
DECIDES_NOTHING = {
    "metrics": "{kappa: mypkg.kappa}",
    "device": "cpu", "resume": "false", "save": "best", "sweep": "mine", "results.dir": "there", "cache.dir": "there",
    "engine.workers": "3", "engine.stack": "4", "tracking.uri": "sqlite:///other.db", "tracking.experiment": "other",
    "engine.name": None, "tracking.name": None, "trainer.checkpoint_minutes": "null",
}  # fmt: skip
BY_ANOTHER_WAY = {
    "seed": "part of the replica's signature", "repeats": "how many seeds", "fold": "part of the replica's signature",
    "hydra": "not ours",
}  # fmt: skip
BASE = ("aux_task=valence", "position=pos_2")


def keys(node, prefix=""):
    for key, value in node.items():
        if hasattr(value, "items") and f"{prefix}{key}" != "corpus":
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


@pytest.mark.parametrize(("group", "option"), ALL_OPTIONS, ids=map("=".join, ALL_OPTIONS))
def test_every_key_has_a_range_and_is_known_to_change_numbers_or_not(group, option):
    """A new key of any option must be entered in one of the lists above, and its range in an annotation."""
    named = {f"{g}.name" for g in DECISIVE}
    others = {"lambda.start", "lambda.epochs", "loss.normalise", "loss.temperature", "loss.scale",
              "feature.bins", "feature.weights", "feature.layer", "feature.precision",
              "model.hidden", "model.bidirectional",
              "augment.time_masks", "augment.time_share", "augment.value_masks", "augment.value_share",
              "trainer.weight_decay", "trainer.momentum"}  # fmt: skip
    known = {*DECIDES, *DECIDES_NOTHING, *BY_ANOTHER_WAY, *named, *others}
    config = composed(f"{group}={option}")
    found = {key for key in keys(config) if not key.endswith("._target_") and not key.startswith("feature.network.")}
    assert {key for key in found if not key.startswith("corpus")} <= known
    if group != "corpus":
        target = config[group].get("_target_")
        ranges = {**(constructor.arguments(target) if target else {}), **own_keys(GROUPS[group])}
        typed = {key.removeprefix(f"{group}.") for key in found if key.startswith(f"{group}.")}
        assert typed <= {"name", *ranges}
        assert Any not in [ranges[key] for key in typed - {"name", "margin"}]


@pytest.mark.parametrize(("group", "option"), OF_CLASSES, ids=map("=".join, OF_CLASSES))
def test_a_constructors_defaults_are_those_of_its_option(group, option, needed):
    """So that a component built in Python is the one that the command line builds."""
    chosen = getattr(settings(f"{group}={option}", *needed(option)), "lambda_" if group == "lambda" else group)
    if chosen.target:
        defaults = inspect.signature(locate(chosen.target)).parameters
        for key, value in (chosen.arguments | ({"weights": None} if option in PRETRAINED else {})).items():
            if defaults[key].default is not inspect.Parameter.empty:
                default = defaults[key].default
                assert (list(default) if isinstance(default, tuple) else default) == value, key


def test_the_lists_hold_nothing_that_is_not_there():
    found = set(keys(composed(*BASE)))
    assert {*DECIDES, *DECIDES_NOTHING} <= found


@pytest.mark.parametrize("key", DECIDES)
def test_a_key_that_can_change_a_number_changes_the_signature(key):
    assert sign(*BASE, f"{key}={DECIDES[key]}") != sign(*BASE)


@pytest.mark.parametrize("key", [key for key, value in DECIDES_NOTHING.items() if value])
def test_no_other_key_does(key):
    assert sign(*BASE, f"{key}={DECIDES_NOTHING[key]}") == sign(*BASE)


@pytest.mark.parametrize("choice", ["engine=serial", "engine=workers", "tracking=none"])
def test_nor_does_how_it_is_run(choice):
    assert sign(choice) == sign()


@pytest.mark.parametrize(
    "choice",
    ["feature=logmel", "feature=logspec", "model=attentive_cnn", "model=spectrogram_cnn_lstm", "loader=loader_2",
     "position=pos_2", "loss=l2", "loss=none", "loss=supcon", "loss=triplet", "loss=center", "loss=arcface",
     "lambda=warmup", "lambda=linear", "aux_task=gender", "validation=session",
     "validation=speaker", "trainer=adamw", "trainer=sgd", "augment=specaugment"],
)  # fmt: skip
def test_every_other_option_has_a_signature_of_its_own(choice):
    assert sign(choice) != sign()


@pytest.mark.parametrize(
    "option, keys",
    [
        ("loss=l2", ["loss.normalise=true", "loss.margin=2"]),
        ("loss=supcon", ["loss.temperature=0.5"]),
        ("loss=triplet", ["loss.margin=1"]),
        ("loss=center", ["loss.normalise=false"]),
        ("loss=arcface", ["loss.margin=0.2", "loss.scale=30"]),
        ("lambda=linear", ["lambda.start=0.3", "lambda.epochs=3", "lambda.weight=0.9"]),
        ("lambda=warmup", ["lambda.epochs=3", "lambda.weight=0.9"]),
        ("feature=logspec", ["feature.bins=100", "feature.window=400"]),
        ("model=spectrogram_cnn_lstm", ["model.hidden=0", "model.bidirectional=false"]),
        ("aux_task=gender", ["aux_task.weight=0.3"]),
        ("trainer=adamw", ["trainer.weight_decay=0.1"]),
        ("trainer=sgd", ["trainer.momentum=0"]),
        (
            "augment=specaugment",
            ["augment.time_masks=1", "augment.time_share=0.1", "augment.value_masks=0", "augment.value_share=1"],
        ),
    ],
)
def test_keys_of_the_other_options(option, keys):
    assert len({sign(option), *(sign(option, key) for key in keys)}) == len(keys) + 1


def test_a_replicas_signature_has_its_seed_and_fold_and_a_runs_its_folds():
    assert len({signature.replica("c", seed, fold) for seed in (0, 1) for fold in (1, 2)}) == 4
    assert signature.run("c", 0, [2, 1]) == signature.run("c", 0, [1, 2]) != signature.run("c", 0, [1])


def test_other_content_is_another_signature():
    groups = settings().groups
    assert signature.configuration(groups, "a") != signature.configuration(groups, "b")


class TestEqualPoints:
    def test_the_baseline_has_neither_lambda_loader_nor_position(self):
        baseline = sign("loss=none")
        for more in ("lambda=0.9", "loader=loader_2", "position=pos_2", "trainer.batch_norm=branch"):
            assert sign("loss=none", more) == baseline
        assert sign("lambda=0") == sign("loss=l2", "lambda=0") == baseline
        for typed in ("lambda=0.9", "++lambda.weight=0.9"):
            assert "lambda becomes 0" in settings("loss=none", typed).notes[0]

    def test_an_additional_task_without_weight_is_none(self):
        assert sign("aux_task=gender", "aux_task.weight=0") == sign()
        assert settings("aux_task=gender", "aux_task.weight=0").notes

    def test_a_weight_without_a_task_is_noted(self):
        assert "no effect" in settings("aux_task.weight=0.1").notes[0]

    def test_whole_numbers_are_real_ones(self):
        assert sign("length=9") == sign("length=9.0")
        assert sign("lambda=1") == sign("lambda.weight=1.0")

    def test_lambda_1_at_pos_1_is_warned_of(self):
        assert "no gradient" in settings("lambda=1").notes[0]
        assert not settings("lambda=1", "position=pos_2").notes


@pytest.mark.parametrize(
    "override, words",
    [
        ("lambda=1.5", ["lambda.weight", "[0, 1]", "1.5", "command line"]),
        ("lambda=-0.1", ["lambda.weight", "-0.1"]),
        ("lambda.weight=abc", ["lambda.weight", "abc"]),
        ("length.seconds=inf", ["length.seconds", "above 0"]),
        ("trainer.lr=1e999", ["trainer.lr", "above 0"]),
        ("sweep=a/b", ["sweep=a/b"]),
        ("length=0", ["length.seconds", "above 0"]),
        ("length=0.2", ["0.3 s", "model=cnn", "20 frames"]),
        ("model=spectrogram_cnn_lstm feature.coefficients=7", ["7 values", "at least 8"]),
        ("loss.margin=1", ["loss.margin", "[-1, 1)"]),
        ("trainer.batch_size=0", ["trainer.batch_size", "at least 1"]),
        ("trainer.precision=fp8", ["trainer.precision", "float32, tf32, bf16"]),
        ("seed=-1", ["seed", "-1"]),
        ("seed=1.5", ["seed"]),
        ("repeats=0", ["repeats"]),
        ("fold=0", ["fold", "all"]),
        ("fold=[1,x]", ["fold"]),
        ("device=gpu", ["device", "gpu", "cuda"]),
        ("resume=maybe", ["resume", "true, false, failed"]),
        ("save=last", ["save", "none, best, all"]),
        ("feature.bands=2", ["coefficients", "bands"]),
        ("feature.fmax=9000", ["fmax", "8000"]),
        ("aux_task.weight=2", ["aux_task.weight"]),
        ("model.kernels=[4]", ["model.kernels", "odd"]),
    ],
)
def test_a_value_out_of_range_is_refused_in_words(override, words):
    with pytest.raises(UserError) as error:
        settings(*override.split())
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("model, pool", [("cnn", 0.3), ("attentive_cnn", 0.3), ("spectrogram_cnn_lstm", 0.08)])
def test_the_shortest_length_is_what_the_model_needs(model, pool):
    assert settings(f"model={model}", f"length={pool}").segment_frames >= 8
    with pytest.raises(UserError, match="needs at least"):
        settings(f"model={model}", f"length={pool - 0.01:.2f}")


@pytest.mark.parametrize("option", PRETRAINED)
def test_a_pretrained_model_counts_by_its_content_and_not_by_its_path(option, tmp_path):
    def signed(folder: Path, *overrides: str) -> str:
        made = settings(f"feature={option}", f"feature.weights={folder}", *overrides)
        return signature.configuration(made.groups, "corpus", made.sources)

    one, other = (Path(model_folder(tmp_path / name, option)) for name in ("one", "other"))
    before = signed(one)
    assert signed(other) == before
    assert len({before, *(signed(one, f"feature.{key}") for key in ("layer=3", "precision=float16"))}) == 3
    (other / "model.safetensors").write_bytes(b"others")
    assert signed(other) != before
    shutil.copy(one / "model.safetensors", other)
    (other / "README.md").write_text("read by nobody")
    assert signed(other) == before
    (other / "preprocessor_config.json").write_text('{"do_normalize": false, "sampling_rate": 16000}')
    assert signed(other) != before


@pytest.mark.parametrize("model", ["cnn", "attentive_cnn"])
def test_the_network_follows_the_frame_rate(model, tmp_path):
    """Kernels of 0.13 and 0.07 s, pooling of 0.3 s by 0.03 s, to the nearest that is odd and divides."""

    def sizes(*overrides: str) -> tuple[list[int], int, int, int]:
        made = settings(f"model={model}", "length=3", *overrides)
        assert "network" not in made.feature.plain  # the model's own keys say it
        keys = made.model.plain
        return keys["kernels"], keys["pool"], keys["stride"], made.segment_frames

    wavlm = ("feature=wavlm", f"feature.weights={model_folder(tmp_path, 'wavlm')}")
    assert sizes() == sizes("feature=egemaps") == ([13, 7], 30, 3, 300)
    assert sizes(*wavlm) == ([7, 3], 16, 2, 150)
    assert sizes(*wavlm, "model.pool=10", "feature.network.stride=5") == ([7, 3], 10, 5, 150)
    with pytest.raises(UserError, match=r"segments of 10 frames, .* at least 16: .* at least 0\.32 s"):
        settings(*wavlm, "length=0.2", f"model={model}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "(?s)feature.weights is not given. .* WavLMModel .*microsoft/wavlm-base-plus"),
        (["feature.weights=nowhere"], "feature.weights=nowhere is not a folder"),
        (["feature.weights={empty}"], "has no config.json and no preprocessor_config.json and no model.safetensors"),
        (["feature.weights={hubert}"], "holds a model of type hubert, not wavlm"),
        (["feature.weights={wavlm}", "feature.layer=13"], "feature.layer=13 .* mean, mixture, or from 0 to 12"),
        (["feature.weights={wavlm}", "feature.layer=last"], "feature.layer must be a whole number .* one of mean"),
        (["feature.weights={wavlm}", "feature.hop=160"], "feature.hop=160 .* 320, the product of the model's strides"),
        (["feature.weights={wavlm}", "feature.sample_rate=8000"], "feature.sample_rate=8000 .* 16000, the model's"),
    ],
)
def test_a_model_that_cannot_be_meant_is_refused_before_anything_runs(overrides, message, tmp_path, monkeypatch):
    monkeypatch.delenv("WAVLM", raising=False)
    (tmp_path / "empty").mkdir()
    folders = {kind: model_folder(tmp_path / kind, kind) for kind in PRETRAINED} | {"empty": str(tmp_path / "empty")}
    with pytest.raises(UserError, match=message):
        settings("feature=wavlm", *(override.format(**folders) for override in overrides))


def test_weights_may_come_from_the_environment(tmp_path, monkeypatch):
    for option in PRETRAINED:
        monkeypatch.setenv(option.upper(), model_folder(tmp_path / option, option))
        assert settings(f"feature={option}").feature.plain["weights"] == str(tmp_path / option)


def test_what_comes_from_the_environment_is_stored_unresolved(monkeypatch):
    monkeypatch.setenv("SER_DATA", "/secret/place")
    made = settings("corpus=emodb", "corpus.root='${oc.env:SER_DATA}/emodb'")
    assert made.corpus["root"] == "/secret/place/emodb"
    assert made.corpus_stored["root"] == "${oc.env:SER_DATA}/emodb"
    assert parameters_of(made)["corpus.root"] == "${oc.env:SER_DATA}/emodb"


def test_a_frame_holds_equally_many_values_of_each_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mfcc, "layers", 2)
    message = r"feature=mfcc has 13 dimensions, which is no multiple of its 2 layers"
    with pytest.raises(UserError, match=message):
        settings("feature=mfcc")


def test_an_own_option_needs_a_name_of_its_own() -> None:
    """By a shipped option's name, tables and the MLflow UI would show it as that option."""
    with pytest.raises(UserError, match=r"loss=cos is a shipped option, and ser\.losses\.l2\.L2 is not"):
        settings("loss=l2", "loss.name=cos")


def test_a_key_of_an_own_feature_may_be_called_log() -> None:
    own = {"name": "own", "_target_": "mine.Own", "log": "natural"}
    canonical_form, _ = canonical({**settings().groups, "feature": own}, [])
    assert canonical_form["feature"] == own
