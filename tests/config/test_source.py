"""The source of a user's own code is part of what names its results."""

import pytest
from support import settings

from ser.config import signature
from ser.config.constructor import problem
from ser.config.source import sources, unseen
from ser.errors import UserError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of a user's own: a model that uses two further modules, and a module that nothing uses."""
    folder = tmp_path / "own_pkg"
    (folder / "parts").mkdir(parents=True)
    for name, text in {
        "__init__.py": "",
        "parts/__init__.py": "",
        "model.py": "import torch\nfrom ser.models.cnn import CNN\nfrom .parts.layer import scale\n\n"
        "class Mine(CNN):\n    pass\n",
        "parts/layer.py": "def scale(x):\n    from own_constants import TWO\n    return TWO * x\n",
        "unused.py": "raise RuntimeError('imported')\n",
    }.items():
        (folder / name).write_text(text)
    (tmp_path / "own_constants.py").write_text("TWO = 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_the_modules_that_a_class_imports_are_followed_but_not_installed_ones(package):
    found = sources("own_pkg.model.Mine")
    assert list(found) == ["own_constants", "own_pkg", "own_pkg.model", "own_pkg.parts", "own_pkg.parts.layer"]


def test_a_folder_without_init_is_followed_and_packages_installed_elsewhere_are_not(package, tmp_path, monkeypatch):
    (package / "parts" / "__init__.py").unlink()
    system = tmp_path / "lib" / "python3" / "dist-packages"
    (system / "theirs").mkdir(parents=True)
    (system / "theirs" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(system))
    with (package / "model.py").open("a") as file:
        file.write("import theirs\n")
    assert list(sources("own_pkg.model.Mine")) == [
        "own_constants", "own_pkg", "own_pkg.model", "own_pkg.parts.layer",
    ]  # fmt: skip


@pytest.mark.parametrize("file", ["model.py", "parts/layer.py", "../own_constants.py"])
def test_a_changed_module_changes_the_sources(package, file):
    before = sources("own_pkg.model.Mine")
    path = package / file
    path.write_text(path.read_text() + "\n# mended\n")
    after = sources("own_pkg.model.Mine")
    assert [name for name in after if after[name] != before[name]] == [
        {"model.py": "own_pkg.model", "parts/layer.py": "own_pkg.parts.layer", "../own_constants.py": "own_constants"}[
            file
        ]
    ]


def test_a_module_that_is_not_imported_changes_nothing(package):
    before = sources("own_pkg.model.Mine")
    (package / "unused.py").write_text("")
    assert sources("own_pkg.model.Mine") == before


def test_the_signature_has_the_source_of_own_classes_only(package):
    assert settings().sources == {}
    assert settings("model._target_=own_pkg.model.Mine", "model.name=mine").sources.keys() == {"model"}
    groups = settings().groups
    plain = signature.configuration(groups, "corpus")
    assert plain == signature.configuration(groups, "corpus", {})
    assert plain != signature.configuration(groups, "corpus", {"model": sources("own_pkg.model.Mine")})


@pytest.mark.parametrize("target", ["_csv.Dialect", "__main__.Model"])
def test_a_class_without_a_source_file_is_refused(target):
    with pytest.raises(UserError, match=rf"_target_: {target} has no source file") as error:
        settings(f"model._target_={target}", "model.name=mine")
    assert "PYTHONPATH" in str(error.value)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("import importlib; part = importlib.import_module('own_' + 'x')", "importlib.import_module"),
        ("from pathlib import Path; TABLE = Path('t.json').read_text()", "Path('t.json').read_text"),
        ("import numpy as np; WEIGHTS = np.load('w.npy')", "np.load"),
        ("with open('t.txt') as file: TABLE = file", "open"),
        ("from pathlib import Path; TABLE = Path('t').open()", "Path('t').open"),
        ("from json import load; TABLE = load(x)", "load"),
        ("import os; WEIGHT = float(os.environ.get('W', 1))", "os.environ"),
        ("from os import environ; WEIGHT = environ['W']", "environ"),
        ("import os; WEIGHT = os.getenv('W')", "os.getenv"),
        ("import os; os.environ['OMP_NUM_THREADS'] = '1'", None),
        ("model.load(x); reopen(x); reading = 1", None),
    ],
)
def test_what_the_hash_of_a_module_cannot_follow_is_found_by_its_line(package, line, found):
    (package / "unused.py").write_text(f"import math\n{line}\n")
    assert unseen("own_pkg.unused") == (None if found is None else (2, found))


def test_a_package_that_is_not_found_is_named():
    with pytest.raises(UserError, match=r"nowhere\.model\.Mine cannot be imported .*no module 'nowhere'.*PYTHONPATH"):
        sources("nowhere.model.Mine")


def test_a_module_that_reads_a_file_is_named_once(package):
    from types import SimpleNamespace

    from ser.sweep.code import not_followed

    (package / "parts" / "layer.py").write_text("\nTABLE = open('t')\n")
    same = SimpleNamespace(settings=SimpleNamespace(sources={"model": sources("own_pkg.model.Mine")}))
    (sentence,) = not_followed([same, same])
    assert sentence.startswith(
        "own_pkg.parts.layer, line 2: what open reads or imports is not part of the signature. If it changes, "
    )
    assert sentence.endswith("give resume=false then.")


def test_a_module_that_is_called_like_a_key_hides_no_value_of_it(tmp_path, monkeypatch):
    """A package ``loss`` with a module ``margin``, beside the key ``loss.margin``."""
    folder = tmp_path / "loss"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "margin.py").write_text("def hinge(x):\n    return x\n")
    (folder / "focal.py").write_text(
        "from loss.margin import hinge\n\nclass Focal:\n    def __init__(self, margin):\n        pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ("loss.name=focal", "loss._target_=loss.focal.Focal", "~loss.cross_entropy")
    found = [settings(*own, f"loss.margin={margin}") for margin in (0.1, 0.9)]
    assert set(found[0].sources["loss"]) == {"loss", "loss.focal", "loss.margin.py"}
    one, other = (signature.configuration(each.groups, "corpus", each.sources) for each in found)
    assert one != other


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", "# -*- coding: latin-1 -*-\n# für\n".encode("latin-1")])
def test_a_module_is_read_in_the_coding_that_python_reads_it_in(package, head):
    """With a mark of its coding at the beginning, as editors on Windows write it, or in latin-1."""
    layer = package / "parts" / "layer.py"
    layer.write_bytes(head + layer.read_bytes())
    assert "own_constants" in sources("own_pkg.model.Mine")
    assert problem("own_pkg.parts.layer.scale") is None
