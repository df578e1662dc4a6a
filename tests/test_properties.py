"""Properties that hold for whatever comes in, tried on values that hypothesis makes up; the same ones in every run."""

import csv
import io
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ser.config import signature
from ser.config.groups import value_of
from ser.config.ranges import Fraction
from ser.config.words import quoted
from ser.corpora.names import composed
from ser.corpora.rows import read_rows
from ser.data.loaders import Loader1, Loader2, Singles, batches
from ser.data.segments import cut, random_windows
from ser.errors import UserError
from ser.results.mlflow import resolve_uri
from ser.results.store import ResultStore
from ser.sweep.commandline import hide_password, rewrite
from ser.sweep.compose import read_override
from ser.sweep.hydra_internals import parse_override
from ser.sweep.search_space import search_space
from ser.system.text import for_spreadsheets, from_spreadsheets, shown_address, without_passwords

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=40, database=None)
settings.load_profile("repeatable")

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
"""Any text of a line: letters of any script, blanks, quotes; no control characters."""

NUMBERS = st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OPTIONS = st.dictionaries(TEXTS, VALUES, max_size=4)
GROUPS = st.fixed_dictionaries(
    {group: st.builds(lambda option: {"name": "mine", **option}, OPTIONS) for group in ("loss", "model", "aux_task")}
)


def in_another_order(value):
    """An equal value whose mappings are in the opposite order."""
    if isinstance(value, dict):
        return {key: in_another_order(value[key]) for key in reversed(value)}
    return [in_another_order(each) for each in value] if isinstance(value, list) else value


# Signatures


@given(GROUPS)
def test_equal_configurations_have_one_signature_however_ordered_and_stored(groups):
    expected = signature.configuration(groups, "corpus")
    assert signature.configuration(in_another_order(groups), "corpus") == expected
    assert signature.configuration(json.loads(json.dumps(groups)), "corpus") == expected


@given(st.dictionaries(st.sampled_from("abcde"), st.integers() | st.booleans() | st.none() | TEXTS, max_size=4))
def test_a_signature_is_that_of_the_configuration_in_yaml(option):
    groups = {"loss": {"name": "mine", **option}}
    read = yaml.safe_load(yaml.safe_dump(groups, allow_unicode=True))
    assert signature.configuration(read, "corpus") == signature.configuration(groups, "corpus")


def of_one_type(one, other):
    """Whether two plain values are equal and of equal types: 1, 1.0 and True are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(of_one_type(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(of_one_type, one, other))
    return type(one) is type(other) and one == other


SMALL = st.recursive(
    st.none() | st.booleans() | st.integers(0, 1) | st.sampled_from([0.0, 1.0, "", "0", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=3,
)
"""Few values, so that two of them are often equal or nearly so."""


@settings(max_examples=200)
@given(SMALL | VALUES, SMALL)
def test_values_have_one_signature_if_and_only_if_they_are_equal(one, other):
    found = [signature.configuration({"loss": {"name": "mine", "key": value}}, "corpus") for value in (one, other)]
    assert (found[0] == found[1]) == of_one_type(one, other)


@given(st.sampled_from(["loss.margin", "lambda.weight"]), st.integers(0, 999))
def test_a_number_has_one_signature_however_it_is_written(key, thousandths):
    group, _, name = key.partition(".")
    written = (
        f"{thousandths / 1000:+}",
        f"{thousandths / 1000:.6f}",
        f"-{0.0}" if not thousandths else f"{thousandths}e-3",
    )
    values = [value_of(key, parse_override(f"{key}={each}").value(), Fraction, ()) for each in written]
    assert len({signature.configuration({group: {"name": "mine", name: value}}, "corpus") for value in values}) == 1


@given(st.sets(st.tuples(st.integers(0, 50), st.integers(1, 12)), min_size=2))
def test_each_training_of_a_configuration_has_its_own_file(trainings):
    store = ResultStore(Path("results"))
    paths = {store.path(signature.replica("configuration", seed, fold)) for seed, fold in trainings}
    assert len(paths) == len(trainings)


# Segments

LENGTHS = st.lists(st.integers(1, 400), min_size=1, max_size=8)
"""The frames of the utterances of a corpus."""


@given(LENGTHS, st.integers(1, 450), st.sampled_from(["pad", "drop"]))
def test_segments_are_those_of_a_plain_loop_over_utterances(lengths, frames, tail):
    offsets, expected = np.cumsum([0, *lengths]), []
    for utterance, length in enumerate(lengths):
        starts = range(0, length, frames)
        for start in starts:
            count = min(frames, length - start)
            if count == frames or tail == "pad" or len(starts) == 1:
                expected.append((offsets[utterance] + start, count, utterance))
    found = cut(offsets, frames, tail)
    assert list(zip(found.start, found.count, found.utterance, strict=True)) == expected


@given(LENGTHS, st.integers(1, 450), st.randoms(use_true_random=False))
def test_a_drawn_segment_lies_in_its_utterance_and_is_as_long_as_that_allows(lengths, frames, random):
    offsets, utterances = np.cumsum([0, *lengths]), np.arange(len(lengths))
    found = random_windows(offsets, utterances, frames, np.random.default_rng(random.randrange(2**32)))
    assert (found.count == np.minimum(frames, lengths)).all()
    assert (found.start >= offsets[:-1]).all()
    assert (found.start + found.count <= offsets[1:]).all()


# Loaders

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60).map(np.array)
"""The classes of training segments."""
SEEDS = st.integers(0, 2**32)


@given(LABELS, SEEDS)
def test_loader_1_has_each_segment_once_but_for_one_of_an_odd_number(labels, seed):
    pairs = Loader1()(labels, np.random.default_rng(seed))
    assert pairs.shape == (len(labels) // 2, 2)
    assert len(set(pairs.ravel().tolist())) == pairs.size
    assert set(pairs.ravel().tolist()) <= set(range(len(labels)))


@given(LABELS, SEEDS)
def test_loader_2_gives_every_class_as_many_positive_and_negative_pairs_or_refuses(labels, seed):
    counts = np.unique(labels, return_counts=True)[1]
    q, classes = min(counts) // 4, len(counts)
    if q == 0 or classes < 2:
        with pytest.raises(UserError, match="two classes with four training segments"):
            Loader2()(labels, np.random.default_rng(seed))
        return
    check_balanced(labels, Loader2()(labels, np.random.default_rng(seed)), q, classes)


@given(st.lists(st.integers(4, 15), min_size=2, max_size=5), SEEDS)
def test_loader_2_is_balanced_whatever_the_sizes_of_the_classes(sizes, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    check_balanced(labels, Loader2()(labels, np.random.default_rng(seed)), min(sizes) // 4, len(sizes))


def check_balanced(labels, pairs, q, classes):
    assert pairs.shape == (2 * classes * q, 2)
    assert len(set(pairs.ravel().tolist())) == pairs.size, "no segment twice"
    first, second = labels[pairs].T
    assert (first == second).sum() == classes * q
    assert set(np.unique(labels[pairs], return_counts=True)[1].tolist()) == {4 * q}


@given(LABELS, SEEDS, st.integers(1, 70))
def test_batches_hold_an_epoch_once_in_its_order(labels, seed, size):
    epoch = Singles()(labels, np.random.default_rng(seed))
    divided = batches(epoch, size)
    assert np.concatenate(divided).tolist() == epoch.tolist()
    assert sorted(epoch.ravel().tolist()) == list(range(len(labels)))
    assert {len(batch) for batch in divided[:-1]} <= {size}
    assert 1 <= len(divided[-1]) <= size


# The rows of a manifest

CELLS = st.lists(TEXTS.map(str.strip), min_size=3, max_size=3).filter(any)
HEADER = ["path", "emotion", "speaker"]


def read_csv(text):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "m.csv"
        file.write_bytes(text.encode())
        return read_rows(file)


def as_csv(rows, delimiter=","):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows([HEADER, *rows])
    return buffer.getvalue()


@given(st.lists(CELLS, max_size=5), st.sampled_from(",;\t"))
def test_rows_come_back_from_csv_in_any_script_with_their_lines(rows, delimiter):
    columns, found = read_csv(as_csv(rows, delimiter))
    assert columns == tuple(HEADER)
    assert [[row.get(column) for column in HEADER] for row in found] == [
        [composed(cell) or None for cell in row] for row in rows
    ]
    assert [row.line for row in found] == list(range(2, len(rows) + 2))


@given(st.lists(CELLS, max_size=4), CELLS, st.integers(0, 4))
def test_a_row_with_too_many_cells_is_refused_with_its_line(rows, wrong, place):
    place = min(place, len(rows))
    rows = [*rows[:place], [*wrong, "more"], *rows[place:]]
    with pytest.raises(UserError, match=f"line {place + 2}: 4 cells, but the header has 3"):
        read_csv(as_csv(rows))


NEARLY_NUMBERS = st.from_regex(r"[+-]?[0-9]{0,4}[.,]?[0-9]{0,4}(e[+-]?[0-9]{1,3})?", fullmatch=True)


@given((NEARLY_NUMBERS | TEXTS).map(str.strip).filter(bool))
def test_a_rating_is_read_or_refused_with_its_line_and_column(text):
    (row,) = read_csv(as_csv([["a.wav", text, "s1"]]))[1]
    try:
        number = row.number("emotion")
    except UserError as error:
        assert "m.csv, line 2, column emotion: " in str(error)
        return
    assert number == float(composed(text).replace(",", "."))


# The command line


@given(TEXTS)
def test_a_text_in_quotes_is_read_by_hydra_as_it_is(text):
    assert parse_override(f"corpus.root={quoted(text)}").value() == text


@given(st.lists(TEXTS, max_size=4))
def test_texts_in_a_list_are_read_by_hydra_as_they_are(texts):
    assert parse_override(f"corpus.exclude=[{','.join(map(quoted, texts))}]").value() == texts


NEARLY_VALUES = st.lists(
    st.sampled_from([*"0123456789.,,-+e()[]{}'\"=:$~ \\\\", "range(", "interval(", "choice(", "tag(log,", "glob(",
                     "nan", "null", "1e400", "1e-400", "sNaN", "1e-9999999", "${x}", "cos", "start="]),
    max_size=9,
).map("".join)  # fmt: skip
"""Texts that are often nearly of Hydra's grammar."""
KEYS = st.sampled_from(["lambda", "length", "loss", "trainer.lr", "corpus.root", "seed", "+new", "~loss", ""])


@settings(max_examples=400)
@given(KEYS, NEARLY_VALUES | TEXTS)
@example("lambda", "sNaN")
@example("lambda", "range(0,1,1e-9999999)")
@example("seed", "range(0)")
def test_whatever_is_typed_is_read_or_refused(key, value):
    for reader in (hide_password, lambda typed: [read_override(each) for each in rewrite(typed)], search):
        with suppress(UserError):
            reader([f"{key}={value}"])


def search(typed):
    return search_space(rewrite(typed))


@given(st.lists(st.decimals(0, 1, places=3), min_size=1, max_size=5, unique=True))
def test_numbers_as_choices_are_read_as_the_same_numbers(numbers):
    (written,) = rewrite([f"lambda={','.join(map(str, numbers))}"])
    key, _, values = written.partition("=")
    assert key == "lambda.weight"
    assert [float(value) for value in values.split(",")] == [float(number) for number in numbers]


@given(st.integers(-50, 50), st.integers(1, 40), st.integers(1, 9))
def test_a_range_of_decimals_is_exact_and_without_its_stop(start, count, step):
    tenths = range(start, start + count, step)
    (written,) = rewrite([f"trainer.lr=range({start / 10},{(start + count) / 10},{step / 10})"])
    assert written.partition("=")[2].split(",") == [f"{each / 10:g}" for each in tenths]


@given(TEXTS)
def test_a_cell_comes_back_from_a_spreadsheet_and_is_no_formula(text):
    shown = for_spreadsheets(text)
    assert from_spreadsheets(shown) == text
    assert len(shown) < 2 or shown[0] not in "=@\t\r"


PASSWORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{}*"), min_size=3, max_size=15)


@given(PASSWORDS.map(lambda password: f"9{password}z"))
def test_no_password_is_shown(password):
    address = f"postgresql://me:{password}@host/runs"
    assert shown_address(address) == "postgresql://me:***@host/runs"
    assert password not in without_passwords(f"tracking.uri={address} failed", address)


@given(PASSWORDS.map(lambda password: f"9{password}z"))
def test_a_password_that_is_typed_reaches_mlflow_and_nothing_else(password):
    address = f"postgresql://me:{password}@host/runs"
    with mock.patch.dict(os.environ, {"MLFLOW_TRACKING_URI": ""}):
        (shown,) = hide_password([f"tracking.uri={quoted(address)}"])
        assert password not in shown
        assert os.environ["MLFLOW_TRACKING_URI"] == address
        assert resolve_uri(parse_override(shown).value()) == address
