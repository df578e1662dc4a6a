"""What MLflow's page shows of a sweep: names, parents with their seeds, notes, views; in the store and in a browser."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from support import free_port, run
from sweep.workplace import SERIAL, SMALL, copy, rows

from ser import ui
from ser.errors import UserError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def two_seeds(finished, tiny, tmp_path_factory):
    """A copy of the working directory after a second command, with two seeds."""
    folder = tmp_path_factory.mktemp("page")
    copy(finished, folder)
    done = run("-m", *SMALL, SERIAL, f"corpus.root={tiny}", "loss=cos", "lambda=0.6,0.7", "repeats=2", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def note(folder, name):
    query = "select t.value from runs join tags t using (run_uuid) where key = 'mlflow.note.content' and name like"
    return rows(folder, f"{query} '{name}'")[0][0]


def test_names_begin_with_what_differs_in_the_sweep(finished):
    begins = {name.partition(" · ")[0] for (name,) in rows(finished, "select name from runs")}
    assert begins == {"cos λ=0.6", "cos λ=0.7", "l2 λ=0.6", "l2 λ=0.7", "baseline"}


def test_each_corpus_has_its_experiment_with_a_note_and_views(finished):
    assert rows(finished, "select distinct e.name from runs join experiments e using (experiment_id)") == [
        ("ser-synthetic",)
    ]
    tags = dict(rows(finished, "select key, value from experiment_tags"))
    assert "generated speech" in tags["mlflow.note.content"].splitlines()[0]
    best = rows(finished, "select max(value) from latest_metrics where key = 'wa'")[0][0]
    assert f"| {100 * best:.2f}\u00a0" in tags["mlflow.note.content"]
    assert json.loads(tags["mlflow.sharedViewState.wa"])["orderByKey"] == "metrics.`wa`"


def test_a_parent_spans_its_seeds_and_holds_them(two_seeds):
    parents = rows(two_seeds, "select run_uuid, start_time, end_time from runs where name like 'cos λ=0.6 · 2 seeds%'")
    assert len(parents) == 1
    parent, began, ended = parents[0]
    held = f"select run_uuid from tags where key = 'mlflow.parentRunId' and value = '{parent}'"
    spans = rows(two_seeds, f"select start_time, end_time from runs where run_uuid in ({held})")
    assert len(spans) == 2
    assert (began, ended) == (min(start for start, _ in spans), max(end for _, end in spans))
    assert ended > began
    text = note(two_seeds, "cos λ=0.6 · 2 seeds%")
    assert "python -m ser.run -m" in text
    assert "lambda=0.6,0.7" in text


def test_a_note_that_a_user_wrote_stays(two_seeds, tiny, tmp_path):
    import sqlite3

    copy(two_seeds, tmp_path)
    with sqlite3.connect(tmp_path / "mlflow.db") as database:
        database.execute("update experiment_tags set value = 'mine' where key = 'mlflow.note.content'")
    database.close()
    done = run(*SMALL, SERIAL, f"corpus.root={tiny}", "loss=cos", "lambda=0.6", "seed=1", "fold=1", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path, "select value from experiment_tags where key = 'mlflow.note.content'") == [("mine",)]


@pytest.fixture(scope="module")
def addresses(two_seeds):
    """The addresses that ``python -m ser.ui`` prints, while it serves."""
    port = free_port()
    command = [sys.executable, "-m", "ser.ui", f"port={port}"]
    server = subprocess.Popen(
        command, cwd=two_seeds, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    )
    try:
        printed = [server.stdout.readline() for _ in range(3)]
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                time.sleep(0.25)
        yield printed
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def page_text(address: str, profile: Path) -> str:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command = [CHROMIUM, *flags, "--window-size=1600,1000", "--virtual-time-budget=15000", "--dump-dom", address]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_the_page_shows_parents_note_and_ranking(addresses, two_seeds, tmp_path):
    assert addresses[0] == "ser-synthetic\n"
    folded, ranked = (page_text(line.split()[0], tmp_path / str(index)) for index, line in enumerate(addresses[1:]))
    for text in (folded, ranked):
        assert "generated speech: these numbers say nothing about people" in text
        assert "cos λ=0.6 · 2 seeds" in text
        assert "baseline · seed 0" in text
    assert "cos λ=0.6 · seed 1" not in folded  # it is folded under its parent
    parent = rows(two_seeds, "select run_uuid, experiment_id from runs where name like 'cos λ=0.6 · 2 seeds%'")[0]
    page = page_text(f"{addresses[1].partition('/#')[0]}/#/experiments/{parent[1]}/runs/{parent[0]}", tmp_path / "run")
    assert "confusion.png" in page
    assert "each seed" in page


@pytest.mark.parametrize("port", ["0", "99999", "abc", "-1"])
def test_what_is_no_port_is_refused(port):
    with pytest.raises(UserError, match=f"port={port} is no port"):
        ui.main([f"port={port}"])


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UserError, match="in use"):
            ui.main([f"port={taken.getsockname()[1]}"])


@pytest.mark.slow
def test_the_server_ends_with_its_command(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "ser.ui", f"port={port}"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert any("Uvicorn running" in line for line in process.stderr)
        process.send_signal(signal.SIGTERM)
        process.wait(15)
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_a_tracking_server_shows_its_pages_itself(monkeypatch, capsys):
    monkeypatch.setattr("ser.results.opening.check_store", lambda uri: None)
    monkeypatch.setattr("ser.results.mlflow.pages", lambda uri: {"emodb": {"runs": "/#/experiments/1"}})
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a second server was started"))
    for key in ("uri", "tracking.uri"):
        assert ui.main([f"{key}=http://me:secret@host:5000/", f"port={free_port()}"]) == 0
    out = capsys.readouterr().out
    assert "@host:5000/#/experiments/1" in out
    assert "secret" not in out
