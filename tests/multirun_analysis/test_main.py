"""The command line: what it writes, what it refuses, and how it ends."""

import subprocess
import sys

import pytest
from support import run

from ser.errors import UserError


def test_a_table_alone_is_that_of_the_report(grids, full, tmp_path):
    """As a process, in the words of ``make table3``."""
    arguments = [*grids.common, "fig3:lambda=0.6,1.0", "fig4:lambda=0.6,1.0", f"out={tmp_path}"]
    process = run("table3", *arguments, cwd=grids.folder, module="multirun_analysis")
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    names = {path.name for path in tmp_path.iterdir()}
    shown = ("table3", "table3_differences", "table3_speakers")
    parts = (*shown, "table3_convergence", "table3_classes", "table3_confusion", "table3_intervals")
    assert names == {f"{part}.{ending}" for part in parts for ending in ("md", "tex", "csv")}
    for name in names:
        assert (tmp_path / name).read_bytes() == (full.folder / name).read_bytes()
    for part in parts:
        assert ((tmp_path / f"{part}.md").read_text() in process.stdout) == (part in shown)
        assert part in process.stdout or part in shown


@pytest.mark.parametrize("what", ["table2", "fig2", "fig3", "fig4", "claims"])
def test_each_command_alone_writes_what_the_report_writes(ask, full, what):
    answer = ask(what)
    assert f"{what}.csv" in answer.names()
    for name in answer.names():
        assert (answer.folder / name).read_bytes() == (full.folder / name).read_bytes(), name
    pictures = {f"{what}.png", f"{what}.pdf"} if what.startswith("fig") else set()
    assert pictures == {name for name in answer.names() if name.endswith(("png", "pdf"))}


MISTAKES = {
    "an unknown word": (["tabel3"], "tabel3: give one of table1, table2"),
    "two words": (["table2", "table3"], "table2 table3: give one of"),
    "an unknown key": (["table3", "trainer.learning_rate=1"], "There is no key trainer.learning_rate"),
    "an unknown option": (["table3", "feature=mfc"], "feature=mfc: there is no such option"),
    "out of range": (["fig3", "fig3:lambda=0.6,1.5"], r"lambda.weight must be a number in \[0, 1\], got 1.5"),
    "an unknown experiment": (
        ["table3", "fig5:lambda=0.6"],
        "fig5: is no experiment.* fig2, table2, baseline, fig3, fig4",
    ),
    "two cells in one place": (["table3", "model.channels=4,8"], "model.channels=4 and model.channels=8, .* one value"),
    "another experiment": (
        ["table2", "experiment=fig3"],
        "experiment=fig3: table2 is made from the experiments table2",
    ),
    "another experiment for one": (["report", "fig2:experiment=fig3"], "fig2:experiment=fig3: report is made from"),
    "audit": (["table3", "audit=maybe"], "audit must be refuse or shout, got maybe"),
    "no store": (["table3", "tracking.uri=sqlite:///nowhere.db"], "There is no tracking store .*nowhere.db"),
    "no experiment": (["table3", "tracking.experiment=serr"], "tracking.experiment=serr is not in"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_nothing_is_written(ask, grids, tmp_path, case):
    arguments, message = MISTAKES[case]
    with pytest.raises(UserError, match=message) as caught:
        ask(*arguments, arguments=grids.common, out=tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_mistake_ends_with_status_2_and_its_message(shell, tmp_path):
    process = shell("table3", "lamda=0.6", cwd=tmp_path)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr == "There is no key lamda. Did you mean lambda?\n"
    assert not list(tmp_path.iterdir())


def test_without_a_store_nothing_is_made(shell, tmp_path):
    """Not even the speech of the default corpus, since nothing could be read of it."""
    process = shell("fig4", "corpus.size=tiny", "lambda=0.6", "repeats=1", cwd=tmp_path)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("There is no tracking store")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_named(shell, grids, tmp_path):
    (tmp_path / "file").write_text("")
    process = shell("fig4", *grids.common, "lambda=0.6,1.0", f"out={tmp_path / 'file'}")
    assert (process.returncode, process.stdout) == (2, "")
    assert str(tmp_path / "file") in process.stderr
    assert len(process.stderr.splitlines()) == 1


def test_a_reader_that_closes_the_pipe_sees_no_message(grids, tmp_path):
    """As ``| head`` does."""
    arguments = [*grids.common, "table3", "fig3:lambda=0.6", "fig4:lambda=0.6", f"out={tmp_path}"]
    command = [sys.executable, "-m", "multirun_analysis", *arguments]
    with subprocess.Popen(command, cwd=grids.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        error = process.stderr.read().decode()
    assert (process.returncode, error) == (0, "")


def test_help_imports_no_heavy_library():
    code = """if True:
        import sys
        from multirun_analysis.__main__ import main
        assert "python -m multirun_analysis table3" in main(["--help"])
        assert not {"pandas", "scipy", "matplotlib", "torch", "mlflow"} & set(sys.modules)"""
    subprocess.run([sys.executable, "-c", code], check=True)
