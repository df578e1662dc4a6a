"""``python -m ser.predict``."""

import csv
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from support import run
from sweep.workplace import rows

import ser
from ser.errors import UserError
from ser.predict.__main__ import predict


@pytest.fixture
def files(tmp_path):
    """Two recordings of noise, one of them in a folder below."""
    generator = np.random.default_rng(0)
    paths = [tmp_path / "audio" / "a.wav", tmp_path / "audio" / "below" / "b.flac"]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, generator.normal(size=24_000) / 10, 16_000)
    return paths


@pytest.fixture
def answered(work, capsys):
    """``answered(...)``: the exit status, standard output and standard error of a command, run in this process."""

    def call(*arguments):
        capsys.readouterr()
        status = predict([*arguments])
        return (status, *capsys.readouterr())

    return call


def test_table(answered, files):
    status, out, err = answered("run=mine", str(files[0]), str(files[0].parent))
    assert status == 0
    names = [line.split()[0] for line in out.splitlines()]
    assert names == ["file", str(files[0]), str(files[0]), str(files[1])]
    assert "4 networks; the corpus is synthetic, so that its answers say nothing about people." in err


@pytest.mark.parametrize("form", ["csv", "json"])
def test_csv_and_json_hold_every_digit(answered, files, form):
    expected = ser.load("mine").predict(files)
    _, out, _ = answered("run=mine", *map(str, files), f"format={form}")
    if form == "json":
        found = json.loads(out)
        assert found["model"]["synthetic"] is True
        assert found["model"]["networks"][1] == {"seed": 0, "fold": 2}
        answers = found["files"]
        for answer, prediction in zip(answers, expected, strict=True):
            for segment, reference in zip(answer["segments"], prediction.segments, strict=True):
                assert np.array_equal(np.float32([*segment["probabilities"].values()]), reference.probabilities)
                assert (segment["start"], segment["end"]) == (reference.start, reference.end)
        values = [[*answer["probabilities"].values()] for answer in answers]
    else:
        answers = [*csv.DictReader(io.StringIO(out))]
        values = [[float(value) for key, value in answer.items() if key.startswith("p_")] for answer in answers]
    assert [each["file"] for each in answers] == [str(file) for file in files]
    assert [each["emotion"] for each in answers] == [each.emotion for each in expected]
    assert np.array_equal(np.float32(values), np.stack([each.probabilities for each in expected]))


def test_a_row_for_each_segment(answered, files):
    _, out, _ = answered("run=mine", str(files[0]), "rows=segments", "format=csv")
    found = [*csv.DictReader(io.StringIO(out))]
    assert [(row["start"], row["end"]) for row in found] == [("0.0", "1.0"), ("1.0", "1.5")]


def test_a_csv_with_parts_and_a_broken_row(answered, files, tmp_path):
    table = tmp_path / "list.csv"
    table.write_text(
        "path;id;start;end\naudio/a.wav;first;0;0.5\naudio/none.wav;;;\naudio/a.wav;;1;\naudio/a.wav;c;x;\n"
    )
    status, out, err = answered("run=mine", str(table), "format=csv")
    assert status == 1
    found = [*csv.DictReader(io.StringIO(out))]
    assert [row["file"] for row in found] == ["first", str(files[0])]
    for row, part in zip(found, ((0, 0.5), (1, 1.5)), strict=True):
        signal = soundfile.read(files[0])[0][int(16_000 * part[0]) : int(16_000 * part[1])]
        (expected,) = ser.load("mine").predict([(signal, 16_000)])
        assert float(row[f"p_{expected.emotion}"]) == pytest.approx(max(expected.probabilities), abs=1e-6)
    assert f"{table}, line 3, column path: there is no file" in err
    assert f"{table}, line 5, column start: 'x' is not a number" in err


def test_a_users_own_columns_are_kept(answered, files, tmp_path):
    """A CSV as others write it: ``file`` in place of ``path``, and a true emotion beside the predicted one."""
    table = tmp_path / "list.csv"
    table.write_text("Index,File,Emotion,Note\n7,audio/a.wav,joy,=1+1\n8,audio/below/b.flac,,\n")
    status, out, err = answered("run=mine", str(table), str(files[0]), "format=csv")
    assert (status, "networks" in err) == (0, True)
    first, second, third = csv.DictReader(io.StringIO(out))
    assert [each["file"] for each in (first, second, third)] == [str(files[0]), str(files[1]), str(files[0])]
    assert {key: first[key] for key in ("index", "emotion_given", "note")} == {
        "index": "7", "emotion_given": "joy", "note": "'=1+1",
    }  # fmt: skip
    assert first["emotion"] == third["emotion"]
    assert (second["index"], second["emotion_given"], third["index"]) == ("8", "", "")
    answers = json.loads(answered("run=mine", str(table), str(files[0]), "format=json")[1])["files"]
    assert answers[0]["given"] == {"index": "7", "emotion": "joy", "note": "=1+1"}
    assert "given" not in answers[2]
    assert "emotion_given" in answered("run=mine", str(table), "rows=segments")[1].splitlines()[0]


def test_a_csv_may_write_a_path_in_another_form_than_its_file(answered, files, tmp_path):
    """As manifests may: decomposed letters, as macOS writes them, and backslashes."""
    shutil.copy(files[0], tmp_path / "audio" / "für.wav")
    (tmp_path / "list.csv").write_text("path\naudio/fu\u0308r.wav\naudio\\below\\b.flac\n", encoding="utf-8")
    status, out, err = answered("run=mine", "format=csv", str(tmp_path / "list.csv"))
    assert status == 0, err
    assert len(out.splitlines()) == 3


def test_a_csv_without_a_column_for_files_is_refused(answered, tmp_path):
    (tmp_path / "list.csv").write_text("wave,emotion\na.wav,joy\n")
    status, _, err = answered("run=mine", str(tmp_path / "list.csv"))
    assert status == 1
    assert "its header is wave, emotion. Name the column path, file or filename." in err


def test_a_recording_on_standard_input_as_a_process(place, files, answered):
    command = [sys.executable, "-m", "ser.predict", "run=mine", "format=csv", "-"]
    audio = subprocess.run(command, cwd=place, input=files[0].read_bytes(), capture_output=True, check=True)
    _, direct, _ = answered("run=mine", "format=csv", str(files[0]))
    assert audio.stdout.decode() == direct.replace(str(files[0]), "-")


def test_names_on_standard_input(answered, files, monkeypatch):
    """The exit status says whether all were predicted."""

    def given(content):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        return answered("run=mine", "format=csv", "-")

    status, out, err = given(f"{files[0]}\n\n{files[1].parent}\nnone.wav\n".encode())
    assert status == 1
    assert [row["file"] for row in csv.DictReader(io.StringIO(out))] == [str(file) for file in files]
    assert "none.wav: there is no such file or folder." in err
    status, _, err = given(b"")
    assert (status, "standard input is empty" in err) == (1, True)


def test_the_same_networks_by_id_name_parent_and_folder(answered, work, files, tmp_path):
    sql = "select run_uuid, name from runs join tags using (run_uuid) where name like 'cos%' and key = 'kind'"
    runs = dict(rows(work, f"{sql} and value = 'run'"))
    (parent,) = dict(rows(work, f"{sql} and value = 'parent'"))
    assert len(runs) == 2
    run_id, name = next(iter(runs.items()))
    _, by_id, err = answered(f"run={run_id}", str(files[0]), "format=json")
    assert "2 networks" in err
    assert answered(f"run={name}", str(files[0]), "format=json")[1] == by_id
    assert "4 networks" in answered(f"run={parent}", str(files[0]))[2]
    status, _, _ = answered(f"run={run_id}", f"export={tmp_path}/model")
    assert status == 0
    assert answered(f"run={tmp_path}/model", str(files[0]), "format=json")[1] == by_id
    with pytest.raises(UserError, match="exists already"):
        answered(f"run={run_id}", f"export={tmp_path}/model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.wav"], "Which model? Give run="),
        (["run=mine"], "What is to be predicted?"),
        (["run=mine", "a.wav", "export=folder"], "What is to be predicted?"),
        (["run=mine", "a.wav", "format=xml"], "format is one of table, csv, json"),
        (["run=mine", "a.wav", "fromat=csv"], "fromat=csv is not understood"),
        (["run=mine", "a.wav", "seed=x"], "seed=x is not a number"),
        (["run=nobody", "a.wav"], "run=nobody: there is no sweep of this name in results/sweeps"),
    ],
)
def test_refused(answered, arguments, message):
    with pytest.raises(UserError) as error:
        answered(*arguments)
    assert message in str(error.value)


def test_a_refusal_and_the_help_as_a_process(place):
    refused = run("run=nobody", "a.wav", cwd=place, module="ser.predict")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr
    told = run("--help", cwd=place, module="ser.predict")
    assert (told.returncode, "results.dir=" in told.stdout) == (0, True)


def test_an_ascii_terminal_and_a_reader_that_has_gone(place, files, tmp_path):
    path = shutil.copy(files[0], tmp_path / "Zoë.wav")
    shown = run("run=mine", str(path), cwd=place, env={"PYTHONIOENCODING": "ascii"}, module="ser.predict")
    assert (shown.returncode, shown.stdout.splitlines()[1].split()[0]) == (0, f"{tmp_path}/Zoe.wav")
    command = [sys.executable, "-m", "ser.predict", "run=mine", str(path)]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        error = process.stderr.read()
    assert process.returncode == 0
    assert error.count("\n") == 1, error  # what the model is


def test_missing_and_damaged_weights_are_told_with_what_to_do(work, files, tmp_path, monkeypatch):
    shutil.copytree(work / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    paths = sorted(tmp_path.glob("results/replicas/*/*.safetensors"))
    for path in paths:
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"is damaged .* save=best"):
        predict(["run=mine", str(files[0])])
    for path in paths:
        path.unlink()
    with pytest.raises(UserError, match=r"holds no weights of 4 of its 4 trainings .* with save=best"):
        predict(["run=mine", str(files[0])])
