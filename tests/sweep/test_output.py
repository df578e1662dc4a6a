"""What a sweep says while it runs and at its end."""

import re


def test_equal_points_train_once_and_the_log_says_so(finished):
    log = (finished / "stderr").read_text()
    assert log.count("Equal, hence trained once: loss=none lambda=0.6, loss=none lambda=0.7\n") == 1
    assert (
        log.count("loss=none is the baseline: lambda becomes 0; loader and position have no effect (2 points)\n") == 1
    )
    assert len(list(finished.glob("results/replicas/*/*.npz"))) == 25


def test_the_closing_table_is_sorted_by_wa(finished):
    text = (finished / "stdout").read_text()
    table = text.splitlines()
    header = next(i for i, line in enumerate(table) if line.endswith("F1 %"))
    values = [float(line.split()[-3]) for line in table[header + 1 : header + 6]]
    assert values == sorted(values, reverse=True)
    assert table[header + 6] == ""
    assert "Only fold" not in text


def test_the_closing_table_says_how_the_trainings_ended(finished):
    """Each has one epoch at most, its only one."""
    text = (finished / "stdout").read_text()
    assert re.search(
        r"^Of 25 trainings \d+ ended by the schedule, \d+ by trainer.max_epochs, 0 diverged; \d+ had", text, re.M
    )
