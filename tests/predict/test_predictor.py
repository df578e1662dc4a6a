"""Predictions of trained networks: those of a test part are the stored ones, to the last bit."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from support import EMODB, NO_EMODB, experiment
from sweep.workplace import SMALL

import ser
from ser.errors import UserError
from ser.predict.predictor import Predictor
from ser.predict.recording import Recording
from ser.results.store import ResultStore
from ser.sweep.job import Job
from ser.training.loop import train


def recordings(corpus, ids):
    """The recordings of utterances, in this order."""
    by_id = {u.id: Recording(u.id, u.path, u.start, u.end, u.speaker) for u in corpus.utterances}
    return [by_id[name] for name in ids]


def probabilities(predictions):
    return np.stack([each.probabilities for each in predictions])


def model_of(swept, seed=0, fold=1):
    """The single network of a replica of ``loss=cos``, and what was stored when it was tested."""
    (name,) = [each.signature for each in swept.replicas(seed) if each.fold == fold]
    store = ResultStore(swept.settings.results)
    return Predictor([store.weights_path(name)]), store.load(name).outcome


def changed(path, target, about=None, drop=()):
    """Write weights anew with a changed description, or without some tensors."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys() if name not in drop}  # noqa: SIM118
        said = json.loads(file.metadata()["ser"])
    save_file(tensors, target, {"ser": json.dumps({**said, **(about or {})})})
    return target


class TestTestUtterances:
    """The stored probabilities of a fold's test utterances."""

    @pytest.mark.parametrize("seed", [0, 1])
    @pytest.mark.parametrize("fold", [1, 2])
    def test_of_a_sweep(self, swept, seed, fold):
        model, stored = model_of(swept, seed, fold)
        found = model.predict(recordings(swept.corpus, stored.ids))
        assert np.array_equal(probabilities(found), stored.average)
        assert [each.name for each in found] == list(stored.ids)
        assert [each.emotion for each in found] == [model.classes[row.argmax()] for row in stored.average]

    @pytest.mark.parametrize(
        "overrides",
        [
            ("model=attentive_cnn", "model.channels=4", "feature.normalisation=speaker"),
            ("feature.normalisation=utterance", "length.tail=drop", "aux_task=gender", "aux_task.weight=0.1"),
            ("feature.normalisation=none", "feature=logspec", "feature.bins=30", "model=spectrogram_cnn_lstm"),
            ("loss=arcface",),
        ],
    )
    def test_of_other_configurations(self, tiny, tmp_path, overrides):
        small = [each for each in SMALL if not each.startswith("model.")]
        paths = (f"corpus.root={tiny}", f"cache.dir={tiny.parent}/cache", f"results.dir={tmp_path}/r")
        self.check(Job(experiment(*small, *paths, "trainer.max_epochs=1", "save=best", "fold=1", *overrides)))

    @pytest.mark.skipif(not EMODB.exists(), reason=NO_EMODB)
    def test_of_real_speech(self, tmp_path):
        paths = (f"corpus.root={EMODB}", f"cache.dir={tmp_path}/cache", f"results.dir={tmp_path}/r")
        small = ("length=3", "model.channels=8", "trainer.max_epochs=1", "device=cpu", "save=best", "fold=2")
        self.check(Job(experiment("corpus=emodb", *paths, *small)))

    @staticmethod
    def check(job):
        (replica,) = job.experiment.replicas()
        outcome = train(job.task(), replica.seed, replica.fold)
        model = Predictor([job.store.weights_path(replica.signature)])
        found = model.predict(recordings(job.experiment.corpus, outcome.ids))
        assert np.array_equal(probabilities(found), outcome.average)


def test_an_ensemble_is_the_mean_of_its_networks(swept):
    store = ResultStore(swept.settings.results)
    files = [store.weights_path(each.signature) for each in swept.replicas()]
    given = recordings(swept.corpus, [u.id for u in swept.corpus.utterances[:5]])
    single = [Predictor([file]).predict(given) for file in files]
    together = Predictor(files)
    assert together.members == ((0, 1), (0, 2), (1, 1), (1, 2))
    for index, answer in enumerate(together.predict(given)):
        plain = sum(each[index].probabilities.astype(float) for each in single) / 4
        assert answer.probabilities == pytest.approx(plain, abs=1e-7)
        assert answer.emotion == together.classes[plain.argmax()]
        for place, segment in enumerate(answer.segments):
            plain = sum(each[index].segments[place].probabilities.astype(float) for each in single) / 4
            assert segment.probabilities == pytest.approx(plain, abs=1e-7)


def test_a_long_recording_is_cut_into_segments_whose_mean_is_the_answer(swept):
    model, _ = model_of(swept)
    noise = np.random.default_rng(0).normal(size=37_600).astype(np.float32) / 10  # 2.35 s
    (answer,) = model.predict([(noise, 16000)])
    assert [(each.start, each.end) for each in answer.segments] == [(0, 1), (1, 2), (2, 2.35)]
    mean = np.mean([each.probabilities for each in answer.segments], axis=0)
    assert answer.probabilities == pytest.approx(mean, abs=1e-6)
    assert answer.probabilities.sum() == pytest.approx(1, abs=1e-5)


def test_files_and_waveforms_of_any_rate_and_channels(swept, tmp_path):
    model, _ = model_of(swept)
    noise = np.random.default_rng(0).normal(size=(22_050, 2)) / 10
    soundfile.write(tmp_path / "a.wav", noise, 22_050, subtype="FLOAT")
    file, stereo, mono = model.predict([tmp_path / "a.wav", (noise, 22_050), (noise.mean(axis=1), 22_050)])
    assert file.probabilities == pytest.approx(stereo.probabilities, abs=1e-6)
    assert mono.probabilities == pytest.approx(stereo.probabilities, abs=1e-4)
    assert file.name == str(tmp_path / "a.wav")


def test_a_broken_recording_does_not_stop_the_others(swept, tmp_path):
    model, _ = model_of(swept)
    good = recordings(swept.corpus, [swept.corpus.utterances[0].id])[0]
    given = [tmp_path / "none.wav", good, (np.zeros(9000), 16000), (np.ones((2, 3, 4)), 16000), (np.ones(9), 1)]
    missing, answer, silent, cube, slow = model.attempt(given)
    assert str(missing).startswith(f"{tmp_path}/none.wav: ")
    assert np.array_equal(answer.probabilities, model.predict([good])[0].probabilities)
    assert "waveform: is silent" in str(silent)
    assert "waveform: has the shape (2, 3, 4)" in str(cube)
    assert "sample rate of 1 Hz" in str(slow)
    with pytest.raises(UserError, match=r"none\.wav"):
        model.predict(given)
    assert model.attempt([]) == []


def test_the_random_generator_and_the_threads_stay_as_they_were(swept):
    torch.manual_seed(3)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    model, stored = model_of(swept)
    model.predict(recordings(swept.corpus, stored.ids[:1]))
    assert torch.equal(before, torch.get_rng_state())
    assert torch.get_num_threads() == threads + 1
    torch.set_num_threads(threads)


class TestRefused:
    @pytest.fixture
    def file(self, swept):
        return ResultStore(swept.settings.results).weights_path(swept.replicas()[0].signature)

    def test_another_number_of_classes(self, file, tmp_path):
        classes = {"corpus": {"classes": ["a", "b"], "name": "x", "synthetic": True}}
        path = changed(file, tmp_path / "w.safetensors", classes)
        with pytest.raises(UserError, match="do not fit the network of their configuration, model=cnn with 2 classes"):
            Predictor([path])

    def test_a_tensor_that_is_missing(self, file, tmp_path):
        path = changed(file, tmp_path / "w.safetensors", drop=["network.model.classifier.weight"])
        with pytest.raises(UserError, match="do not fit"):
            Predictor([path])

    def test_networks_of_two_configurations(self, file, tmp_path):
        with pytest.raises(UserError, match="are of different configurations"):
            Predictor([file, changed(file, tmp_path / "w.safetensors", {"configuration": "other"})])

    def test_code_that_has_changed(self, file, tmp_path):
        path = changed(file, tmp_path / "w.safetensors", {"sources": {"model": {"mypkg.models": "0"}}})
        with pytest.raises(UserError, match=r"mypkg\.models has changed since the weights were trained with its model"):
            Predictor([path])

    def test_a_model_that_needs_speakers(self, file, tmp_path):
        groups = json.loads(json.dumps(Predictor([file]).about["groups"]))
        groups["feature"]["normalisation"] = "speaker"
        model = Predictor([changed(file, tmp_path / "w.safetensors", {"groups": groups})])
        with pytest.raises(UserError, match="Give a CSV with the columns path and speaker"):
            model.predict([(np.random.default_rng(0).normal(size=9000) / 9, 16000)])
        sounds = [(np.random.default_rng(seed).normal(size=9000) / 9, 16000) for seed in range(4)]
        speakers = ("a", None, float("nan"), "a")
        mixed = [Recording("r", sound, speaker=each) for sound, each in zip(sounds, speakers, strict=True)]
        first, *lacking, last = model.attempt([*mixed[:3], UserError("of the caller"), mixed[3]])
        assert [isinstance(each, UserError) for each in lacking] == [True] * 3
        expected = model.predict([mixed[0], mixed[3]])
        assert np.array_equal(probabilities([first, last]), probabilities(expected))


class TestLoad:
    def test_by_name_and_by_folder(self, work, swept, tmp_path):
        best = ser.load("mine")
        assert best.members == ((0, 1), (0, 2), (1, 1), (1, 2))
        assert best.classes == swept.corpus.classes
        assert ser.load("mine", seed=1, fold=2).members == ((1, 2),)
        with pytest.raises(UserError, match="different configurations"):
            ser.load("results")
        (one,) = work.glob(f"results/replicas/*/{swept.replicas()[0].signature}.safetensors")
        both = tmp_path / "both"
        for name in ("results/a.safetensors", "mlruns/a.safetensors", "results/a.epoch_001.safetensors"):
            (both / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(one, both / name)
        assert ser.load(str(both)).members == ((0, 1),), "a training counts once, with the epoch that is tested"
        with pytest.raises(UserError, match="seed=7: run=mine has no such training"):
            ser.load("mine", seed=7)
        with pytest.raises(UserError, match="run=: there is no sweep of this name"):
            ser.load("")

    def test_the_best_of_a_sweep_has_the_highest_validation_accuracy(self, work):
        store = ResultStore(work / "results")
        by_configuration = {}
        for path in work.glob("results/replicas/*/*.npz"):
            stored = store.load(path.stem)
            history = stored.outcome.history[stored.outcome.best_epoch - 1]
            by_configuration.setdefault(stored.about["configuration"], []).append(history["val_wa"])
        assert [len(each) for each in by_configuration.values()] == [4, 4]
        best = max(by_configuration, key=lambda each: sum(by_configuration[each]))
        assert ser.load("mine").about["configuration"] == best

    def test_importing_ser_is_quick(self):
        code = "import sys, ser; print(sorted({'torch', 'hydra', 'numpy'} & sys.modules.keys()), callable(ser.load))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["[]", "True"]
        with pytest.raises(AttributeError, match="no attribute 'lod'"):
            ser.lod  # noqa: B018
