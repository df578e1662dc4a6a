"""The report: one page that needs nothing else, holds everything, and is the same from the same store."""

import base64
import os
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest
from support import run

from multirun_analysis.paper import report
from multirun_analysis.store.collect import collect
from multirun_analysis.store.contents import columns
from ser.errors import UserError

KINDS = ("convergence", "classes", "confusion", "intervals")
BESIDE = (*(f"{table}_{what}" for table in ("table2", "table3") for what in KINDS),
          *(f"{figure}_convergence" for figure in ("fig2", "fig3", "fig4")))  # fmt: skip
TABLES = ("table1", "table2", "table2_differences", "table2_speakers", "table3", "table3_differences",
          "table3_speakers", "claims", *BESIDE)  # fmt: skip
FIGURES = ("fig2", "fig3", "fig4")
LEARNING = ("table2_learning", "table3_learning")
VOID = ("meta", "img", "br", "hr", "link")


class Page(HTMLParser):
    """What a page holds: tables as rows of cells with their titles, notes, pictures, tags with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.titles, self.notes, self.tables, self.headings = [], [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag == "figcaption":
            self.titles.append("")
        if tag == "p":
            self.notes.append("")
        if tag in ("h1", "h2", "title"):
            self.headings.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tags, texts in (
            (("figcaption",), self.titles),
            (("p",), self.notes),
            (("h1", "h2", "title"), self.headings),
        ):
            if self.open and self.open[-1] in tags:
                texts[-1] += data
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data.replace("\N{NO-BREAK SPACE}", " ")

    def pictures(self):
        return [dict(attrs)["src"] for tag, attrs in self.tags if tag == "img"]


@pytest.fixture(scope="module")
def text(full):
    return (full.folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    page = Page(text)
    assert page.open == [], "all tags are closed"
    return page


def markdown_rows(text):
    lines = text.split("\n\n")[1].splitlines()
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return [rows[0], *rows[2:]]


def test_the_page_needs_nothing_else(page, text):
    for tag, attributes in page.tags:
        assert tag not in ("link", "script", "iframe", "object", "base"), tag
        for name in ("src", "href", "srcset", "data", "action"):
            if name in attributes:
                assert attributes[name].startswith("data:"), (tag, name, attributes[name][:80])
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    without_pictures = re.sub(r"src='data:[^']*'", "", text)
    assert not re.search(r"https?://|file:/|src=|\bhref", without_pictures)
    assert text.startswith("<!DOCTYPE html>")
    assert ("meta", {"charset": "utf-8"}) in page.tags


@pytest.mark.parametrize("name", [*TABLES, *FIGURES])
def test_every_table_is_in_the_page_as_it_is_in_its_file(full, page, name):
    markdown = full.markdown(name)
    title = markdown.split("\n\n")[0].strip("*")
    tables = [table for caption, table in zip(page.titles, page.tables, strict=True) if caption == title]
    assert markdown_rows(markdown) in tables
    for note in markdown.strip().split("\n\n")[2:]:
        assert note in page.notes


def test_no_two_tables_of_the_page_have_one_title(page):
    assert len(set(page.titles)) == len(page.titles) == len(TABLES) + len(FIGURES) + 1


def test_every_figure_is_in_the_page_as_it_is_in_its_file(full, page):
    pictures = page.pictures()
    for name, source in zip((*FIGURES, *LEARNING), pictures, strict=True):
        kind, data = source.split(",", 1)
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True) == (full.folder / f"{name}.png").read_bytes()
        assert (full.folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_every_claim_has_its_verdict(page):
    (place,) = (index for index, title in enumerate(page.titles) if "claims" in title)
    header, *rows = page.tables[place]
    assert header[:3] == ["claim", "paper", "verdict"]
    assert len(rows) >= 11
    assert {row[2] for row in rows} <= {"supported", "not supported", "undecided", "cannot be said"}
    assert all(row[3] for row in rows)
    verdicts = {row[0]: row[2] for row in rows}
    assert verdicts["Averaging is better than cropping below 4 s, and like it above."] == "cannot be said"  # 0.5, 1 s
    assert verdicts["loss_1 (cos) is steadier over λ than loss_2 (l2)."] == "cannot be said"  # one lambda below 1
    assert "cannot be said" not in {word for claim, word in verdicts.items() if claim.startswith(("MFCC", "Dominance"))}


def test_the_corpus_is_called_synthetic_wherever_its_numbers_stand(page):
    assert all("SYNTHETIC" in heading for heading in page.headings if heading.startswith(("Lian", "Report")))
    assert len([heading for heading in page.headings if "SYNTHETIC" in heading]) == 2
    for title in page.titles:
        assert "SYNTHETIC" in title or title.startswith(("Table 1", "What ran")), title


def test_every_form_of_a_table_calls_the_corpus_synthetic(full):
    for name in [*TABLES[1:], *FIGURES]:
        assert "SYNTHETIC" in full.markdown(name)
        assert "SYNTHETIC" in (full.folder / f"{name}.tex").read_text(encoding="utf-8")


def test_the_page_tells_what_ran(page, grids):
    (place,) = (index for index, title in enumerate(page.titles) if title == "What ran")
    header, *rows = page.tables[place]
    told = [dict(zip(header, row, strict=True)) for row in rows]
    assert [(row["runs of"], row["cells"], row["seeds"], row["trainings"]) for row in told] == [
        ("fig2", "4", "4", "48 of 48"),
        ("table2", "5", "4", "60 of 60"),
        ("table3, fig3, fig4", "11", "4", "132 of 132"),
    ]
    store = collect(f"sqlite:///{grids.folder}/mlflow.db", "ser-synthetic").replicas
    (fingerprint,), (commit,) = store["corpus_fingerprint"].unique(), store["git_commit"].astype(str).unique()
    for row in told:
        assert row["device"] == "cpu"
        assert fingerprint.startswith(row["content"])
        assert len(row["content"]) >= 8
        assert row["code"] == "unknown" or row["code"][:10] == commit[:10]


def test_uncommitted_code_is_told(hand):
    """The tag git_commit ends in -dirty where files differed; a run may have folds of two commits."""
    scores = hand.scores({"loss": "cos"}, [0.5])
    commits = "a" * 40 + "-dirty, " + "b" * 40
    row = dict.fromkeys(columns(), None) | {"configuration": scores.point.configuration, "seed": 0, "fold": 1}
    replicas = pd.DataFrame([row | {"git_commit": commits, "synthetic": False}])
    study = hand.study(scores)
    table = report.what_ran({"fig2": replace(study, collected=replace(study.collected, replicas=replicas))})
    code = dict(zip(table.columns, table.rows[0], strict=True))["code"]
    assert "dirty" in code
    assert "b" * 10 in code


def test_the_same_store_gives_the_same_files_byte_for_byte(full, grids, tmp_path):
    """In another process with other hashes and another time zone, into another folder, of a moved copy of the store."""
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copytree(grids.folder / "mlruns", moved / "mlruns")
    with (
        closing(sqlite3.connect(grids.folder / "mlflow.db")) as source,
        closing(sqlite3.connect(moved / "mlflow.db")) as target,
    ):
        source.backup(target)
    environment = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    process = run(
        "report", *grids.arguments, f"out={tmp_path / 'out'}", cwd=moved, env=environment, module="multirun_analysis"
    )
    assert process.returncode == 0, process.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == full.names()
    assert names == {
        "report.html",
        *(f"{name}.{ending}" for name in (*TABLES, *FIGURES, *LEARNING) for ending in ("md", "tex", "csv")),
        *(f"{name}.{ending}" for name in (*FIGURES, *LEARNING) for ending in ("png", "pdf")),
    }
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (full.folder / name).read_bytes(), name


def test_the_command_prints_every_table_and_where_it_is_written(full):
    for name in (*TABLES, *FIGURES):
        assert (full.markdown(name) in full.text) == (name not in BESIDE), name
        assert name not in BESIDE or name in full.text
    assert f"The report: {os.path.join('reports', 'synthetic', 'report.html')}" in full.text


# Runs that cannot be compared


@pytest.fixture(scope="module")
def two_contents(tampered, find_run):
    """A copy of the store in which one run, of l2 at lambda 0.6, was trained on other content."""
    statement = "UPDATE tags SET value = 'anothercontent' WHERE key = 'corpus_fingerprint' AND run_uuid = ?"
    return tampered(statement, find_run(0, loss="l2", **{"lambda": "0.6"}).id)


@pytest.mark.parametrize("what", ["table3", "fig4", "report"])
def test_runs_that_cannot_be_compared_are_refused_and_nothing_is_written(ask, two_contents, tmp_path, what):
    with pytest.raises(UserError) as caught:
        ask(what, two_contents, out=tmp_path / "out")
    text = str(caught.value)
    assert text.startswith("These runs cannot be compared:\n- The corpus had different content (corpus_fingerprint): ")
    assert re.search(r"anotherc in 1 cell \(.*loss=l2 lambda=0.6\)", text)
    assert text.endswith("With audit=shout the tables are made all the same, and say so.")
    assert not (tmp_path / "out").exists()


def test_a_refusal_ends_with_status_2(shell, grids, two_contents, tmp_path):
    process = shell("fig4", *grids.common, "lambda=0.6,1.0", two_contents, f"out={tmp_path / 'out'}")
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("These runs cannot be compared:")


@pytest.mark.parametrize("what", ["table2", "fig2", "fig3"])
def test_tables_without_these_runs_are_made(ask, full, two_contents, what):
    answer = ask(what, two_contents)
    assert answer.markdown(what) == full.markdown(what)
    assert "REFUSE" not in answer.text


@pytest.mark.parametrize("what", ["table3", "claims"])
def test_shouting_makes_the_tables_and_says_so(ask, full, two_contents, what):
    answer = ask(what, two_contents, "audit=shout")
    assert "REFUSE: The corpus had different content (corpus_fingerprint)" in answer.text
    assert answer.raw(what).equals(full.raw(what))
    assert "NOT COMPARABLE: The corpus had different content" in answer.markdown(what)
    assert "Only folds 1, 2, 3 of 5: these are not the figures of the whole corpus." in answer.markdown(what)


def test_the_report_shouts_on_its_page_and_in_every_file(ask, full, two_contents):
    answer = ask("report", two_contents, "audit=shout")
    assert answer.text.startswith("REFUSE: The corpus had different content (corpus_fingerprint)")
    page = Page((answer.folder / "report.html").read_text(encoding="utf-8"))
    shouts = [index for index, (tag, attrs) in enumerate(page.tags) if tag == "p" and attrs.get("class") == "refuse"]
    assert len(shouts) == 1
    assert shouts[0] < page.tags.index(("table", {})), "above all tables"
    assert any(note.startswith("The corpus had different content") for note in page.notes)
    for name in (*TABLES, *FIGURES):
        assert "NOT COMPARABLE: The corpus had different content" in answer.markdown(name)
        assert answer.raw(name).equals(full.raw(name))
    beside = [note for note in page.notes if note.startswith("NOT COMPARABLE: The corpus had different content")]
    assert len(beside) == len(TABLES) + len(FIGURES) + len(LEARNING), "also beside each table and picture of the page"
    for name in FIGURES:
        assert (answer.folder / f"{name}.png").read_bytes() != (full.folder / f"{name}.png").read_bytes()


def test_two_versions_of_one_training_are_refused(ask, tampered, find_run):
    """The run of seed 3 is given seed 2, so that there are two runs of it, with different scores."""
    run = find_run(3, loss="l2", **{"lambda": "0.6"})
    store = tampered("UPDATE params SET value = '2' WHERE key = 'seed' AND run_uuid = ?", run.id)
    with pytest.raises(UserError, match="stored more than once, with different numbers"):
        ask("fig4", store)


def test_a_seed_with_a_part_of_its_folds_is_told_and_not_averaged(ask, tampered, find_run):
    """A run that lacks fold 2, as folds trained one by one may leave behind."""
    run = find_run(3, loss="l2", **{"lambda": "0.6"})
    store = tampered("DELETE FROM latest_metrics WHERE key LIKE 'fold_2/%' AND run_uuid = ?", run.id)
    answer = ask("fig4", store, "audit=shout")
    assert re.search("Some seeds have only a part of their folds.*seed 3", answer.text)
    row = answer.raw("fig4").set_index(["curve", "λ"]).loc[("l2 (loss_2)", "0.6")]
    assert row.filter(regex=r"^mean.*]$").tolist() == ["X (3 of 4)"]
