"""A training is claimed by one process at a time, and the claim of a dead process lapses."""

import json
import os
import socket
import sys
import time
from dataclasses import asdict, replace

import pytest
from results.claiming import another_process, claim_for

from ser.results.claims import Claims
from ser.system import alive
from ser.system.alive import Owner, Signs, this_process

ELSEWHERE = Owner("another machine", 1)

needs_proc = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "results")


def test_a_training_is_claimed_and_released(claims, tmp_path):
    assert claims.take("a")
    assert claims.take("b")
    owners = [json.loads(path.read_text()) for path in tmp_path.glob("results/claims/*")]
    assert owners == 2 * [asdict(this_process())]
    assert (owners[0]["host"], owners[0]["pid"]) == (socket.gethostname(), os.getpid())
    for name in ("a", "b", "never claimed"):
        claims.release(name)
    assert not list(tmp_path.glob("results/claims/*"))


@needs_proc
@pytest.mark.parametrize("silent", [0, 7200])
def test_a_claim_counts_while_its_process_lives(claims, tmp_path, silent):
    """However long it gave no sign: a laptop may have slept."""
    with another_process() as other:
        path = claim_for(tmp_path, "a", Owner.of(other.pid))
        os.utime(path, (time.time() - silent,) * 2)
        assert not claims.take("a")
        assert claims.other("a").pid == other.pid
        claims.release("a")
        assert path.exists(), "it is not this process's claim"
    assert claims.take("a"), "at once: the process is gone"


@needs_proc
def test_a_killed_process_counts_as_gone_before_its_parent_has_asked_for_its_status(claims, tmp_path):
    with another_process() as other:
        claim_for(tmp_path, "a", Owner.of(other.pid))
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert claims.take("a")


@needs_proc
def test_a_later_process_of_the_same_number_has_no_claim(claims, tmp_path):
    with another_process() as other:
        owner = Owner.of(other.pid)
        claim_for(tmp_path, "a", replace(owner, started=owner.started - 1))
        assert claims.take("a")


@needs_proc
def test_a_process_started_between_two_looks_at_the_clock():
    def now():
        return time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")

    before = now()
    with another_process() as other:
        assert before - 1 <= Owner.of(other.pid).started <= now() + 1


@pytest.mark.parametrize(("silent", "lapsed"), [(0, False), (110, False), (130, True)])
@pytest.mark.parametrize(
    "other",
    [
        {"host": "another machine", "boot": "another"},
        {"pid": 1, "namespace": "pid:[1]"},
        {"namespace": "pid:[1]"},
        {"boot": None, "namespace": None, "started": None, "host": "without /proc"},
    ],
    ids=["another machine", "another container", "a container with the same number", "no /proc"],
)
def test_a_claim_of_a_process_that_cannot_be_looked_up_lapses_without_signs(claims, tmp_path, other, silent, lapsed):
    path = claim_for(tmp_path, "a", replace(this_process(), **other))
    os.utime(path, (time.time() - silent,) * 2)
    assert claims.take("a") == lapsed


def test_silence_is_measured_by_the_clock_of_the_files(claims, tmp_path, monkeypatch):
    """A file server's may differ from this machine's by minutes."""
    claim_for(tmp_path, "a", ELSEWHERE)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert not claims.take("a")
    assert alive.silence(tmp_path / "results/claims/a.json") < 60
    assert [path.name for path in tmp_path.glob("results/claims/*")] == ["a.json"]


def test_the_claims_of_a_process_are_touched_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(alive, "SILENT_AFTER", 0.12)
    signs = Signs()
    mine, ended = (claim_for(tmp_path, name, this_process()) for name in ("mine", "ended"))
    anothers = claim_for(tmp_path, "anothers", ELSEWHERE)
    for path in (mine, ended, anothers):
        os.utime(path, (1, 1))
        signs.give(path)
    signs.end(ended)
    end = time.monotonic() + 10
    while mine.stat().st_mtime == 1:
        assert time.monotonic() < end
        time.sleep(0.01)
    os.utime(mine, (1, 1))
    while mine.stat().st_mtime == 1:
        assert time.monotonic() < end, "again and again"
        time.sleep(0.01)
    assert [path.stat().st_mtime for path in (ended, anothers)] == [1, 1]


NO_PIDS = ('"x"', 0, -1, 2**31)
INVALID = ["", "{", "[1]", '{"host": "a"}', *(f'{{"host": "a", "pid": {pid}}}' for pid in NO_PIDS)]


@pytest.mark.parametrize("text", INVALID)
def test_a_claim_without_a_valid_owner_does_not_count(claims, tmp_path, text):
    """It was written in part, say."""
    claim_for(tmp_path, "a", ELSEWHERE).write_text(text)
    assert claims.take("a")


def test_a_process_whose_claim_has_lapsed_leaves_it_to_the_next(claims, tmp_path):
    """It was stopped for minutes, say."""
    assert claims.take("a")
    path = claim_for(tmp_path, "a", ELSEWHERE)
    claims.release("a")
    assert path.exists()
