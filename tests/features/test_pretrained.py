"""Pretrained models, on tiny randomly initialised ones of the same classes: hidden size 16, two layers.

Their numbers say nothing about speech. What is tested is that frames are those of ``transformers`` called by hand.
"""

import logging
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support import experiment, run

from ser.corpora.emodb import read
from ser.data import cache
from ser.errors import UserError
from ser.features import pretrained
from ser.features.extractor import ExtractorError
from ser.features.pretrained import Hubert, Wav2Vec2, WavLM
from ser.predict.predictor import Predictor
from ser.results.weights import read as read_weights
from ser.sweep.job import Job
from ser.training.loop import train
from ser.training.task import make_task

transformers = pytest.importorskip("transformers", reason="needs the extra: pip install '.[transformers]'")

KINDS = {Wav2Vec2: "Wav2Vec2", Hubert: "Hubert", WavLM: "WavLM"}
SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "conv_dim": (8,) * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[type, str]:
    """A folder with a tiny model of each class."""
    transformers.logging.disable_progress_bar()
    made = {}
    for kind, name in KINDS.items():
        folder = tmp_path_factory.mktemp(name)
        torch.manual_seed(0)
        config = getattr(transformers, f"{name}Config")(**SIZES)
        getattr(transformers, f"{name}Model")(config).save_pretrained(folder)
        transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
        made[kind] = str(folder)
    return made


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Two seconds of noise with an offset, float32, shape (32000,)."""
    return (0.05 + 0.1 * np.random.default_rng(0).normal(size=32000)).astype(np.float32)


def by_hand(folder: str, signal: np.ndarray) -> list[np.ndarray]:
    """Every hidden layer of the model for a whole signal, each (frames, 16)."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    centred = signal.astype(np.float64) - signal.mean(dtype=np.float64)
    normalised = torch.tensor(centred / np.sqrt((centred**2).mean() + 1e-7), dtype=torch.float32)[None]
    with torch.no_grad():
        return [layer[0].numpy() for layer in model(normalised, output_hidden_states=True).hidden_states]


@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_the_models_hidden_layers(kind, folders, noise):
    layers = by_hand(folders[kind], noise)
    assert len(layers) == 3
    for layer, expected in [*enumerate(layers), ("mean", np.mean(layers, axis=0))]:
        extractor = kind(weights=folders[kind], layer=layer)
        frames = extractor(noise)
        assert frames.dtype == np.float32 and frames.shape == (1 + (32000 - 400) // 320, 16)
        assert (extractor.dimensions, extractor.sample_rate / extractor.hop) == (16, 50)
        np.testing.assert_allclose(frames, expected, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_has_all_layers_side_by_side(kind, folders, noise):
    extractor = kind(weights=folders[kind], layer="mixture")
    assert (extractor.dimensions, extractor.layers, kind(weights=folders[kind]).layers) == (48, 3, 1)
    np.testing.assert_allclose(extractor(noise), np.concatenate(by_hand(folders[kind], noise), axis=1), atol=1e-5)


def test_float16_is_the_rounded_value_and_is_stored_as_such(folders, noise, emodb, tmp_path):
    full, half = (WavLM(weights=folders[WavLM], precision=precision) for precision in ("float32", "float16"))
    np.testing.assert_array_equal(half(noise), full(noise).astype(np.float16))
    packed = [cache.frames(emodb, extractor, tmp_path).open() for extractor in (full, half)]
    assert packed[1].dtype == np.float16 and packed[1].nbytes * 2 == packed[0].nbytes
    np.testing.assert_array_equal(packed[1], packed[0].astype(np.float16))


def test_a_value_beyond_float16_is_refused(folders):
    with pytest.raises(UserError, match=r"7e\+04 is too large for float16: use feature.precision=float32"):
        WavLM(weights=folders[WavLM], precision="float16")._stored(np.array([[-7e4]], np.float32))


def test_a_long_utterance_is_computed_in_pieces(folders, noise, monkeypatch):
    """No piece exceeds the limit, no frame is lost, and each piece is what the model gives for it alone."""
    extractor, sizes = Wav2Vec2(weights=folders[Wav2Vec2], layer=2), []
    whole = extractor(noise)
    layer = Wav2Vec2._layer
    monkeypatch.setattr(pretrained, "_PIECE_SECONDS", 1)
    monkeypatch.setattr(Wav2Vec2, "_layer", lambda self, m, v: sizes.append(v.shape[1]) or layer(self, m, v))
    frames = extractor(noise)
    assert sizes == [48 * 320 + 400, 32000 - 49 * 320]  # 49 and 50 frames
    assert frames.shape == whole.shape
    first, second = slice(0, sizes[0]), slice(49 * 320, 32000)
    model, scaled = transformers.AutoModel.from_pretrained(folders[Wav2Vec2]).eval(), noise - noise.mean()
    scaled = torch.tensor(scaled / np.sqrt(scaled.var() + 1e-7))[None]
    with torch.no_grad():
        pieces = [model(scaled[:, part]).last_hidden_state[0].numpy() for part in (first, second)]
    np.testing.assert_allclose(frames, np.concatenate(pieces), atol=1e-4)


def test_the_shortest_signal_gives_one_frame_and_a_shorter_one_is_refused(folders, noise):
    extractor = Hubert(weights=folders[Hubert])
    assert extractor(noise[:400]).shape == (1, 16)
    with pytest.raises(UserError, match="399 samples are too few for one frame: 400"):
        extractor(noise[:399])


def test_the_number_of_threads_changes_nothing(folders, noise):
    extractor, before = WavLM(weights=folders[WavLM]), torch.get_num_threads()
    try:
        frames = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            frames.append(extractor(noise))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*frames)


@pytest.fixture(scope="module")
def emodb(tmp_path_factory):
    """Twenty utterances of noise under EmoDB's file names: enough for worker processes."""
    folder, rng = tmp_path_factory.mktemp("emodb"), np.random.default_rng(1)
    names = [f"{speaker:02}a0{text}{emotion}a" for speaker in (3, 8, 9, 10, 11) for text in (1,) for emotion in "WFTN"]
    (folder / "wav").mkdir()
    for number, name in enumerate(names):
        soundfile.write(folder / "wav" / f"{name}.wav", 0.1 * rng.normal(size=6000 + 200 * number), 16000)
    return read(str(folder))


def test_workers_give_the_numbers_of_one_process(folders, emodb, tmp_path):
    extractor = WavLM(weights=folders[WavLM])
    packed = cache.frames(emodb, extractor, tmp_path)
    rows = packed.open()
    assert len(emodb.utterances) == 20
    for number, utterance in enumerate(emodb.utterances):
        signal = cache.read_audio(utterance.path, 16000)
        np.testing.assert_array_equal(rows[packed.offsets[number] : packed.offsets[number + 1]], extractor(signal))


def test_the_cache_knows_a_model_by_its_content(folders, emodb, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="ser.data.cache")
    kind = folders[WavLM]
    moved, other = tmp_path / "moved", tmp_path / "other"
    for folder in (moved, other):
        folder.mkdir()
        for file in Path(kind).iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    torch.manual_seed(1)
    transformers.WavLMModel(transformers.WavLMConfig(**SIZES)).save_pretrained(other)
    first, same, new = (cache.frames(emodb, WavLM(weights=str(f)), tmp_path / "c") for f in (kind, moved, other))
    assert first.path == same.path != new.path
    assert caplog.text.count("extracted 20 utterances") == 2


def test_a_pickle_is_never_loaded(folders, tmp_path):
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((Path(folders[WavLM]) / name).read_bytes())
    torch.save({}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"has no model\.safetensors"):
        WavLM(weights=str(tmp_path))


def test_weights_that_are_damaged_or_incomplete_are_one_message(folders, noise, tmp_path, emodb):
    from safetensors.torch import load_file, save_file

    for file in Path(folders[WavLM]).iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = tmp_path / "model.safetensors"
    tensors = load_file(weights)
    lost = "encoder.layers.1.feed_forward.output_dense.weight"
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, weights, {"format": "pt"})
    with pytest.raises(ExtractorError, match=rf"lacks weights of WavLMModel, such as {lost}"):
        WavLM(weights=str(tmp_path))(noise)
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ExtractorError, match=r"^feature.weights=.* cannot be loaded as WavLMModel"):
        cache.frames(emodb, WavLM(weights=str(tmp_path)), tmp_path / "cache")


WITHOUT = """
import sys
class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "transformers":
            raise SystemExit("transformers was imported")
sys.meta_path.insert(0, Refuses())
import runpy
runpy.run_module("ser.run", run_name="__main__", alter_sys=True)
"""


def test_a_sweep_from_the_command_line_and_again_from_a_warm_cache(folders, emodb, tmp_path):
    arguments = [
        "corpus=emodb", f"corpus.root={emodb.root}", "feature=wavlm", f"feature.weights={folders[WavLM]}", "length=1",
        "trainer.max_epochs=1", "model.channels=2", "loss=none", "fold=1", "device=cpu", "tracking=none",
        "engine=serial",
    ]  # fmt: skip
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("results/replicas/*/*.npz"))) == 1
    command = [sys.executable, "-c", WITHOUT, *arguments, "seed=1"]
    again = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    assert len(list(tmp_path.glob("results/replicas/*/*.npz"))) == 2


@pytest.mark.parametrize(("kind", "layer"), [(Wav2Vec2, "2"), (Hubert, "2"), (WavLM, "2"), (WavLM, "mixture")])
def test_a_tiny_corpus_is_learnt_by_heart_from_random_layers(kind, layer, folders, tiny, tmp_path):
    made = experiment(
        "corpus.size=tiny", f"corpus.root={tiny}", f"cache.dir={tmp_path}", "length=1", "loss=none",
        f"feature={KINDS[kind].lower()}", f"feature.weights={folders[kind]}", f"feature.layer={layer}",
        "trainer.lr=5e-3", "trainer.max_epochs=150", "trainer.patience=1000", "model.channels=32",
    )  # fmt: skip
    history = train(make_task(made, "cpu"), 0, 1).history
    assert history[0]["train_cross_entropy"] > 1
    assert min(row["train_cross_entropy"] for row in history) < 0.3, "the true class's probability is below 0.74"


def test_a_mixture_is_trained_kept_and_predicts(folders, emodb, tmp_path):
    job = Job(experiment(
        "corpus=emodb", f"corpus.root={emodb.root}", "feature=wavlm", f"feature.weights={folders[WavLM]}", "length=1",
        "feature.layer=mixture", "feature.precision=float16", "trainer.max_epochs=2", "trainer.lr=1e-2", "fold=1",
        "model.channels=2", "device=cpu", "tracking=none", "save=best", f"cache.dir={tmp_path}/c",
        f"results.dir={tmp_path}/r",
    ))  # fmt: skip
    (replica,) = job.experiment.replicas()
    outcome = train(job.task(), replica.seed, replica.fold)
    file = job.store.weights_path(replica.signature)
    learned = read_weights(file).network["model.weights"]
    assert learned.shape == (3,)
    assert len(set(learned.tolist())) == 3, "they left their common start"
    recordings = [next(u.path for u in emodb.utterances if u.id == name) for name in outcome.ids]
    found = np.stack([each.probabilities for each in Predictor([file]).predict(recordings)])
    np.testing.assert_array_equal(found, outcome.average)


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_package_is_said_with_what_to_install(kind, folders, monkeypatch):
    def missing(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("ser.features.extractor.version", missing)
    with pytest.raises(ExtractorError, match=r"needs the package transformers, .* 'ser-sweeps\[transformers\]'"):
        kind(weights=folders[kind]).identity()
