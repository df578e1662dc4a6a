"""``python -m ser.run --help`` names every key of every option, as Hydra composes them."""

import re

import pytest
from support import composed

from ser.config.groups import GROUPS
from ser.config.paths import conf_dir
from ser.sweep.help import help_text

COMPOSED = (
    "loss=l2",
    "feature=mfcc",
    "feature=wavlm",
    "trainer=sgd",
    "lambda=linear",
    "aux_task=gender",
    "corpus=emodb",
)


@pytest.mark.parametrize("choice", COMPOSED)
def test_an_option_is_shown_with_all_of_its_keys_and_their_defaults(choice):
    group, _, option = choice.partition("=")
    options = re.split(r"^  (?=\w)", help_text(["--help", group]), flags=re.MULTILINE)
    (text,) = [each for each in options if each.startswith(f"{option} ")]
    shown = dict(re.findall(rf"^      {group}\.(\w+)=(.*?)(?:  .*)?$", text, flags=re.MULTILINE))
    made = composed(choice)[group]
    assert shown.keys() == {str(key) for key in made} - {"name", "_target_"}
    for key, value in made.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            assert float(shown[str(key)]) == value


def test_a_comment_is_shown_with_the_lines_in_which_it_goes_on():
    shown = " ".join(help_text(["--help", "corpus"]).split())
    assert "null: the column session; split: the official train, dev and test of the column split" in shown
    assert "null: scheme session; split: the official train, dev and test of the scheme split or of the tables" in shown


def test_every_experiment_is_described_by_a_whole_sentence():
    lines = re.findall(r"^  (\w+) +(\S.*)$", help_text(["--help", "experiment"]), flags=re.MULTILINE)
    assert {name for name, _ in lines} == {path.stem for path in (conf_dir() / "experiment").glob("*.yaml")}
    assert all(said.endswith(".") for _, said in lines)


def test_the_help_names_the_keys_of_all_options():
    text = " ".join(help_text(["--help"]).split())
    for group in GROUPS:
        for path in (conf_dir() / group).glob("*.yaml"):
            for key in re.findall(r"^(\w+):", path.read_text(encoding="utf-8"), flags=re.MULTILINE):
                assert key in ("name", "_target_", "defaults") or f" {group}.{key}" in text
    assert "trainer loss what the keys of these groups mean" in text


def test_the_keys_of_the_job_are_listed_with_their_meaning():
    keys = help_text().partition("\nKeys:\n")[2]
    for key in ("seed=0", "resume=true", "results.dir=results", "cache.dir=cache", "dry_run=false"):
        assert re.search(rf"^    {re.escape(key)} +\w", keys, flags=re.MULTILINE), key
