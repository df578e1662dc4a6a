"""A training is claimed by one process at a time, and the claim of a dead process lapses."""

import json
import os
import socket
import time

import pytest
from results.claiming import another_process, claim_for

from ser.results.claims import Claims


@pytest.fixture
def claims(tmp_path):
    return Claims(tmp_path / "results")


def test_a_training_is_claimed_and_released(claims, tmp_path):
    assert claims.take("a")
    assert claims.take("b")
    owners = [json.loads(path.read_text()) for path in tmp_path.glob("results/claims/*")]
    assert owners == 2 * [{"host": socket.gethostname(), "pid": os.getpid()}]
    for name in ("a", "b", "never claimed"):
        claims.release(name)
    assert not list(tmp_path.glob("results/claims/*"))


def test_a_claim_counts_while_its_process_lives(claims, tmp_path):
    with another_process() as other:
        path = claim_for(tmp_path, "a", socket.gethostname(), other.pid)
        assert not claims.take("a")
        claims.release("a")
        assert path.exists(), "it is not this process's claim"
    assert claims.take("a"), "at once: the process is gone"


@pytest.mark.parametrize(("silent", "lapsed"), [(0, False), (110, False), (130, True)])
def test_a_claim_of_another_machine_lapses_without_signs(claims, tmp_path, silent, lapsed):
    path = claim_for(tmp_path, "a", "another machine", os.getpid())
    os.utime(path, (time.time() - silent,) * 2)
    assert claims.take("a") == lapsed


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"host": "somewhere"}'])
def test_a_claim_that_was_written_in_part_does_not_count(claims, tmp_path, text):
    claim_for(tmp_path, "a", "", 0).write_text(text)
    assert claims.take("a")


def test_a_process_whose_claim_has_lapsed_leaves_it_to_the_next(claims, tmp_path):
    """It was stopped for minutes, say."""
    assert claims.take("a")
    path = claim_for(tmp_path, "a", "another machine", 1)
    claims.release("a")
    assert path.exists()
