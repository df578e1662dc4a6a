"""The options of the config group corpus, and the functions that they call."""

import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from corpora.trees import wav
from omegaconf import OmegaConf

import ser
from ser.config.build import locate
from ser.config.paths import conf_dir
from ser.corpora.load import load
from ser.corpora.table import Corpus, Utterance, make_corpus
from ser.errors import UserError


def option(name: str) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(OmegaConf.load(conf_dir() / "corpus" / f"{name}.yaml"))
    return plain


@pytest.mark.parametrize("name", ["iemocap", "emodb", "ravdess", "cremad", "manifest", "audformat"])
def test_an_option_holds_the_arguments_of_its_reader_and_their_defaults(name: str) -> None:
    keys = option(name)
    parameters = inspect.signature(locate(keys.pop("_target_"))).parameters
    assert keys.pop("name") == name
    assert keys.pop("duplicates") == "refuse"
    assert keys.pop("root") == f"${{oc.env:{name.upper()},null}}"
    assert ["root", *keys] == list(parameters)
    labels = keys.get("labels") or {}
    keys["labels"] = {label: emotion for label, emotion in labels.items() if emotion} or None
    defaults = {key: parameters[key].default for key in keys}
    assert keys | {"exclude": tuple(keys["exclude"])} == defaults


@pytest.fixture
def emodb(tmp_path: Path) -> Path:
    wav(tmp_path / "03a01Fa.wav")
    wav(tmp_path / "03a01Wa.wav")
    return tmp_path


def test_the_corpus_is_read_and_takes_the_options_name(emodb: Path) -> None:
    corpus = load({"name": "mine", "_target_": "ser.corpora.emodb.read", "root": str(emodb)})
    assert corpus.name == "mine"
    assert [utterance.id for utterance in corpus.utterances] == ["03a01Fa", "03a01Wa"]


@pytest.mark.parametrize(
    ("given", "kept"), [({}, False), ({"duplicates": "refuse"}, False), ({"duplicates": "keep"}, True)]
)
def test_duplicates_is_a_key_of_every_corpus(emodb: Path, given: dict[str, str], kept: bool) -> None:
    options = {"name": "emodb", "_target_": "ser.corpora.emodb.read", "root": str(emodb)}
    assert load(options | given).keep_duplicates is kept


@pytest.mark.parametrize("value", ["drop", True, None, ["keep"]])
def test_another_value_of_duplicates_is_refused(emodb: Path, value: object) -> None:
    options = {"name": "emodb", "_target_": "ser.corpora.emodb.read", "root": str(emodb), "duplicates": value}
    with pytest.raises(UserError, match=r"corpus.duplicates=.* is not one of refuse, keep"):
        load(options)


def test_the_error_for_an_unknown_argument_lists_the_known_ones(emodb: Path) -> None:
    with pytest.raises(UserError, match=r"corpus=emodb: .*'rot'. It takes root, labels, sessions, exclude, duplicates"):
        load({"name": "emodb", "_target_": "ser.corpora.emodb.read", "root": str(emodb), "rot": 1})


def test_the_error_for_a_missing_argument_names_it() -> None:
    with pytest.raises(UserError, match=r"'root'"):
        load({"name": "emodb", "_target_": "ser.corpora.emodb.read"})


def test_an_option_without_target_is_refused() -> None:
    with pytest.raises(UserError, match=r"lacks _target_"):
        load({"name": "emodb"})


def test_conf_is_inside_the_package_of_a_wheel_and_otherwise_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ser, "__file__", str(tmp_path / "ser" / "__init__.py"))
    assert conf_dir() == tmp_path / "conf"
    (tmp_path / "ser" / "conf").mkdir(parents=True)
    assert conf_dir() == tmp_path / "ser" / "conf"


def test_a_manifest_is_called_by_its_file_unless_it_is_named(tmp_path: Path) -> None:
    lines = ["path,emotion,session,speaker"]
    for number, emotion in enumerate(("sad", "angry")):
        wav(tmp_path / f"{number}.wav")
        lines.append(f"{number}.wav,{emotion},{number},s{number}")
    (tmp_path / "actors-2026.csv").write_text("\n".join(lines))
    keys = {"_target_": "ser.corpora.manifest.read", "root": str(tmp_path / "actors-2026.csv")}
    assert load({"name": "manifest", **keys}).name == "actors-2026"
    assert load({"name": "Berlin", **keys}).name == "Berlin"


def _own(root: str) -> Corpus:
    """A reader of a user's own, whose split has a part that is called Train."""
    rows = [
        Utterance(f"{n}", Path(root), "angry" if n % 2 else "sad", s, s) for n, s in enumerate(("Train", "test") * 2)
    ]
    return replace(make_corpus("mine", Path(root), rows), official_split=True)


def test_an_official_split_of_ones_own_reader_has_train_dev_and_test() -> None:
    with pytest.raises(UserError, match=r"the utterance 0 has the session 'Train'\. Its reader must name the sessions"):
        load({"name": "mine", "_target_": f"{__name__}._own", "root": "r"})
