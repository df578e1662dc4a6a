"""Table 1: the built network, read from its modules."""

import re

import pandas as pd
import pytest
from support import settings

from multirun_analysis.__main__ import main
from ser.config.build import constructor
from ser.errors import UserError


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table_1(folder):
    """The built network's numbers and whether they are the paper's, by the layer's property."""
    frame = pd.read_csv(folder / "reports" / "network" / "table1.csv", dtype=str)
    built = frame.filter(regex="^built").agg(" ".join, axis=1)
    numbers = [[int(number) for number in re.findall(r"\d+", text)] for text in built]
    return list(zip(frame.iloc[:, 1], numbers, frame["equal"], strict=True))


def test_table_1_is_the_built_network(tmp_path):
    text = main(["table1"])
    assert table_1(tmp_path) == [
        ("# filter outputs", [100, 100], "yes"),
        ("filter size", [13, 7], "yes"),
        ("padding", [6, 3], "yes"),
        ("stride", [1, 1], "yes"),
        ("kernel size", [30, 30], "yes"),
        ("padding", [0, 0], "yes"),
        ("stride", [3, 3], "yes"),
    ]
    trained = int(re.search(r"(\d+) trained parameters", text)[1])
    built = constructor(settings().model)(frames=settings().segment_frames, features=13, classes=4)
    weights = {name: parameter.numel() for name, parameter in built.named_parameters()}
    biases = sum(count for name, count in weights.items() if "convolutions" in name and name.endswith("bias"))
    assert trained == sum(weights.values()) - biases


def test_table_1_shows_where_a_network_differs_from_the_papers(tmp_path):
    main(["table1", "model.channels=4", "model.stride=2"])
    assert [equal for *_, equal in table_1(tmp_path)] == ["NO", "yes", "yes", "yes", "yes", "yes", "NO"]


def test_table_1_of_a_network_with_one_branch_differs(tmp_path):
    main(["table1", "model.kernels=[5]"])
    assert table_1(tmp_path)[1] == ("filter size", [5], "NO")


def test_table_1_of_a_network_of_another_form_is_refused(tmp_path):
    with pytest.raises(UserError, match="spectrogram_cnn_lstm") as caught:
        main(["table1", "model=spectrogram_cnn_lstm", "feature=logspec"])
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_table_1_accepts_a_sweep_for_all_experiments(tmp_path):
    """``make paper ARGS="lambda=0.6,1.0"``."""
    main(["table1", "lambda=0.6,1.0", "table2:aux_task.weight=0,0.4", "repeats=4"])
    assert {equal for *_, equal in table_1(tmp_path)} == {"yes"}
