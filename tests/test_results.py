"""The pages under docs/results: what they say side by side is what the tables of each corpus say."""

import csv
import re

import pytest
from support import REPOSITORY

RESULTS = REPOSITORY / "docs" / "results"
CORPORA = ("emodb", "nemo")
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split("|")]
    for line in (RESULTS / "README.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and line.count("|") == 4 and not line.startswith(("| claim", "| ---", "|---"))
]


def claims(corpus):
    """The verdict and its reason for each claim."""
    with (RESULTS / corpus / "claims.csv").open(encoding="utf-8", newline="") as file:
        return {row["claim"]: (row["verdict"], row["because"]) for row in csv.DictReader(file)}


def test_every_claim_stands_side_by_side():
    assert {row[0] for row in ROWS} == claims("emodb").keys() == claims("nemo").keys()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_verdicts_and_figures_are_those_of_each_corpus(row):
    for corpus, cell in zip(CORPORA, row[1:], strict=True):
        verdict, because = claims(corpus)[row[0]]
        word, *figures = re.split(r"[:;] ", cell)
        assert word.strip("*") == verdict
        assert all(figure in because for figure in figures), cell
