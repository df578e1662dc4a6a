"""The files of a run, with labels and names that matplotlib, spreadsheets or a reader could take for something else."""

import csv
from dataclasses import replace

import pytest
from results.outcomes import outcome
from support import experiment

from multirun_analysis.store.predictions import _parse
from ser.results import artifacts
from ser.results.metrics import METRICS
from ser.results.notes import seed_note
from ser.results.store import Stored
from ser.system import pictures


@pytest.fixture
def hostile(tiny, tmp_path):
    """An experiment whose two labels, ids and speakers begin like formulas."""
    made = experiment(f"corpus.root={tiny}", "corpus.size=tiny", f"cache.dir={tmp_path}/c", "length=1", "fold=1")
    ids = ("=1+1", "-x", "plain")
    utterances = tuple(
        replace(each, id=name, speaker=f"@{name}") for each, name in zip(made.corpus.utterances[:3], ids, strict=True)
    )
    corpus = replace(made.corpus, classes=("=cost $x", "+$y_{"), utterances=utterances, name="$a_{")
    result = replace(outcome([0, 1, 1], [0, 1, 0]), ids=ids)
    return replace(made, corpus=corpus), Stored(result, {"parameters": {}})


def test_labels_with_dollars_are_drawn_as_they_are(hostile, tmp_path):
    """``$x$y_{`` is no formula of matplotlib's."""
    made, stored = hostile
    artifacts.draw(tmp_path, made, "$a_{ $b", [stored])
    assert {"curves.png", "confusion.png"} <= {path.name for path in tmp_path.iterdir()}


SCRIPTS = ("愤怒", "怒り", "행복", "غضب", "злость")


@pytest.fixture
def fonts(monkeypatch):
    """``fonts(name)``: only this font of the system has letters that matplotlib's own font lacks."""

    def there(*names):
        monkeypatch.setattr(pictures, "_further_fonts", lambda: names)
        pictures._letters.cache_clear()

    yield there
    pictures._letters.cache_clear()


def test_labels_in_any_script_are_drawn_without_a_word_from_matplotlib(hostile, tmp_path, fonts, recwarn):
    made, stored = hostile
    fonts()
    made = replace(made, corpus=replace(made.corpus, classes=SCRIPTS, name="愤怒"))
    artifacts.draw(tmp_path, made, "愤怒 · seed 0", [stored])
    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]
    assert pictures.legible(SCRIPTS) == ["1", "2", "3", "غضب", "злость"], "matplotlib's own font has Arabic letters"
    assert pictures.legible_text("a 愤怒\nb") == "a ??\nb"
    said = seed_note("#/run", made.corpus, dict.fromkeys(METRICS, 0.5), {}, "ser.run")
    assert "In pictures 1 is 愤怒, 2 is 怒り, 3 is 행복: no font of this system has their letters." in said


def test_letters_come_from_another_font_of_the_system_that_has_them(hostile, tmp_path, fonts, recwarn):
    made, stored = hostile
    fonts("Last Resort High-Efficiency")  # comes with matplotlib
    assert pictures.legible(SCRIPTS) == list(SCRIPTS)
    assert pictures.legend(SCRIPTS) == ""
    artifacts.draw(tmp_path, replace(made, corpus=replace(made.corpus, classes=SCRIPTS)), "name", [stored])
    assert not [str(warning.message) for warning in recwarn if "Glyph" in str(warning.message)]


def test_predictions_are_no_formulas_and_are_read_back_as_they_were(hostile, tmp_path):
    made, stored = hostile
    artifacts.write(tmp_path, made, "name", [stored])
    with (tmp_path / "predictions.csv").open(encoding="utf-8", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "@"))]
    assert "'-x" in cells
    read = _parse(tmp_path / "predictions.csv", "run")
    assert list(read["id"]) == ["=1+1", "-x", "plain"]
    assert list(read["speaker"]) == ["@=1+1", "@-x", "@plain"]
    assert list(read["gold"]) == ["=cost $x", "+$y_{", "+$y_{"]
    assert list(read["predicted"]) == ["=cost $x", "+$y_{", "=cost $x"]
