import subprocess
import sys
from pathlib import Path

import pytest
from support import settings

from ser.errors import UserError
from ser.results.mlflow import resolve_uri
from ser.sweep.commandline import flags_of, hide_password, rewrite
from ser.sweep.hydra_internals import parse_flags
from ser.sweep.places import files_here
from ser.sweep.secrets import with_hidden_password


@pytest.mark.parametrize(
    "typed, meant",
    [
        ("lambda=0.65", "lambda.weight=0.65"),
        ("lambda=0.6,0.7", "lambda.weight=0.6,0.7"),
        ("lambda='0.6',\"0.7\"", "lambda.weight=0.6,0.7"),
        ("lambda=1", "lambda.weight=1"),
        ("lambda=choice(0.6, .70)", "lambda.weight=0.6,0.7"),
        ("lambda=interval(0.6,1)", "lambda.weight=interval(0.6,1)"),
        ("lambda=range(0.6,1.05,0.1)", "lambda.weight=0.6,0.7,0.8,0.9,1"),
        ("lambda=range(0.6,1.0,0.1)", "lambda.weight=0.6,0.7,0.8,0.9"),
        ("lambda=range(1,0.75,-0.1)", "lambda.weight=1,0.9,0.8"),
        ("length=9", "length.seconds=9"),
        ("length=range(1,4)", "length.seconds=1,2,3"),
        ("length=range(start=1,stop=9,step=4)", "length.seconds=1,5"),
        ("length=range(3)", "length.seconds=0,1,2"),
        ("lambda=linear", "lambda=linear"),
        ("lambda=constant,linear", "lambda=constant,linear"),
        ("length=fixed", "length=fixed"),
        ("trainer.lr=range(0.1,0.35,0.1)", "trainer.lr=0.1,0.2,0.3"),
        ("aux_task.weight=range(0,0.07,0.02)", "aux_task.weight=0,0.02,0.04,0.06"),
        ("trainer.lr=range(1e-4,7e-4,1e-4)", "trainer.lr=0.0001,0.0002,0.0003,0.0004,0.0005,0.0006"),
        ("lambda=tag(log,interval(0.01,0.9))", "lambda.weight=tag(log,interval(0.01,0.9))"),
        ("length=sort(3,1)", "length.seconds=sort(3,1)"),
        ("lambda=shuffle(linear,warmup)", "lambda=shuffle(linear,warmup)"),
        ("seed=range(20)", "seed=range(20)"),
        ("loss=cos,l2", "loss=cos,l2"),
        ("--multirun", "--multirun"),
    ],
)
def test_numbers_as_choices(typed, meant):
    assert rewrite([typed]) == [meant]


@pytest.mark.parametrize("typed", ["lambda=range(0,1,1e-7)", "trainer.lr=range(0.0,1,0.000001)"])
def test_a_range_that_nobody_trains_is_refused_before_it_is_written_out(typed):
    with pytest.raises(UserError, match=r"1(0,0|,0)00,000 points, and a sweep may have 100,000"):
        rewrite([typed])


@pytest.mark.parametrize("typed", ["lambda=0.6,linear", "lambda=range(1,0.6)", "length=range(1,x)"])
def test_mixed_or_empty_lists_are_refused(typed):
    with pytest.raises(UserError) as error:
        rewrite([typed])
    assert typed in str(error.value)


@pytest.mark.parametrize(
    "arguments", [["-m", "a=1", "b=2"], ["a=1", "-m", "b=2"], ["a=1", "b=2", "-m"], ["a=1", "-m", "b=2", "-cd", "mine"]]
)
def test_flags_may_stand_anywhere(arguments):
    args = parse_flags(arguments)
    assert (args.multirun, args.overrides) == (True, ["a=1", "b=2"])
    assert flags_of(arguments, args.overrides) == [each for each in arguments if "=" not in each]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--foo"], "Unrecognized arguments: --foo. See --help"),
        (["-m", "--config-dir"], "--config-dir/-cd: expected one"),
    ],
)
def test_a_flag_that_is_not_there_is_one_message(arguments, message):
    with pytest.raises(UserError, match=message):
        parse_flags(arguments)


def test_help_lists_the_groups_and_loads_nothing_heavy():
    code = """if True:
        import sys; sys.argv = ['run', '--help']
        from ser.run import main
        try:
            main()
        finally:
            print(sorted(sys.modules))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, modules = done.stdout.rsplit("\n[", 1)
    for word in ("corpus", "loader_2", "pos_2", "equation (1)", "baseline", "seed=0"):
        assert word in text
    for heavy in ("torch", "librosa", "mlflow", "numba", "pandas", "sklearn", "matplotlib"):
        assert f"'{heavy}'" not in modules


@pytest.mark.parametrize(
    ("typed", "shown", "uri"),
    [
        ("tracking.uri=http://u:secret@h:5000", "tracking.uri=http://u:***@h:5000", "http://u:secret@h:5000"),
        ("++tracking.uri='mysql://u:s=e,c@h/d'", "++tracking.uri='mysql://u:***@h/d'", "mysql://u:s=e,c@h/d"),
        ("tracking.uri=HTTP://u:secret@h", "tracking.uri=HTTP://u:***@h", "HTTP://u:secret@h"),
        ("tracking.uri=mysql://u:two words@h/d", "tracking.uri=mysql://u:***@h/d", "mysql://u:two words@h/d"),
        (r"tracking.uri='http://u:it\'s@h'", "tracking.uri='http://u:***@h'", "http://u:it's@h"),
        ("tracking.uri=http://u:pa/ss@h", "tracking.uri=http://u:***@h", "http://u:pa/ss@h"),
        ("tracking.uri=http://u:a***b@h", "tracking.uri=http://u:***@h", "http://u:a***b@h"),
    ],
)
def test_a_password_goes_to_mlflow_by_the_environment_alone(typed, shown, uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert hide_password(["loss=cos", typed]) == ["loss=cos", shown]
    assert resolve_uri(shown.partition("=")[2].strip("'")) == uri


def test_an_address_may_have_interpolations(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MY_HOST", "h")
    typed = ["tracking.uri=http://u:${oc.env:MY_PASSWORD}@h", "tracking.uri=${oc.env:MY_STORE}"]
    assert hide_password(typed) == typed, "stored as they are"
    assert hide_password(["tracking.uri=http://u:secret@${oc.env:MY_HOST}"]) == [
        "tracking.uri=http://u:***@${oc.env:MY_HOST}"
    ]
    assert resolve_uri("http://u:***@h") == "http://u:secret@h"
    with pytest.raises(UserError, match="NO_SUCH") as refused:
        hide_password(["tracking.uri=http://u:secret@${oc.env:NO_SUCH}"])
    assert "secret" not in str(refused.value)


def test_an_address_that_cannot_be_read_is_refused_without_its_password():
    with pytest.raises(UserError, match=r"u:\*\*\*@h cannot be read.*MLFLOW_TRACKING_URI") as refused:
        hide_password(["tracking.uri=http://u:sec(ret@h"])
    assert "sec" not in str(refused.value)


def test_a_password_that_is_not_known_is_asked_for(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://u:secret@elsewhere")
    with pytest.raises(UserError, match=r"lacks its password.*MLFLOW_TRACKING_URI") as refused:
        resolve_uri("http://u:***@host")
    assert "secret" not in str(refused.value)


def test_addresses_with_passwords_are_not_swept_over(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="give one address") as refused:
        hide_password(["tracking.uri=http://u:secret@a,http://u:secret@b"])
    assert "secret" not in str(refused.value)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of one's own options: a tracking store with a password, and one without."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    (tmp_path / "own" / "tracking").mkdir(parents=True)
    for name, user in (("mine", "me:hunter2"), ("open", "me")):
        text = f"name: none\nuri: postgresql://{user}@host/runs\nexperiment: null\n"
        (tmp_path / "own" / "tracking" / f"{name}.yaml").write_text(text)
    return str(tmp_path / "own")


def test_a_password_in_ones_own_options_goes_to_mlflow_by_the_environment_alone(own):
    shown = "postgresql://me:***@host/runs"
    assert with_hidden_password(["tracking=mine", "loss=cos,l2"], None, own) == [
        "tracking=mine", "loss=cos,l2", f"tracking.uri='{shown}'"
    ]  # fmt: skip
    assert resolve_uri(shown) == "postgresql://me:hunter2@host/runs"
    for typed in (["tracking=open"], ["tracking=mine", f"tracking.uri='{shown}'"], ["loss=cos"], ["loss=[cos]"]):
        assert with_hidden_password(typed, None, own) == typed
    with pytest.raises(UserError, match="delivers to one store") as refused:
        with_hidden_password(["tracking=mine,open"], None, own)
    assert "hunter2" not in str(refused.value)


def test_a_password_in_ones_own_options_is_in_no_file_of_a_sweep(own, folder, command):
    done = command("--config-dir", own, "tracking=mine", "loss=cos", "lambda=0.6")
    assert done.returncode == 0, done.stderr
    stored = {path.name: path.read_text() for path in folder.glob("multirun/*/*/.hydra/*.yaml")}
    assert "postgresql://me:***@host/runs" in stored["config.yaml"]
    assert stored.keys() == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    plans = [path.read_text() for path in folder.glob("results/sweeps/*/*.json")]
    assert not any("hunter2" in text for text in (*stored.values(), *plans, done.stdout, done.stderr))


def test_a_database_without_a_server_keeps_files_where_the_sweep_runs(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:hunter2@host/runs")
    (said,) = files_here([settings("tracking.uri='postgresql://me:***@host/runs'") for _ in range(2)])
    assert said.startswith("tracking.uri=postgresql://me:***@host/runs is a database, which keeps no files")
    assert f"go to {Path('mlruns').absolute()}. To have them in one place" in said
    assert not files_here([settings(f"tracking.uri={uri}") for uri in ("sqlite:///m.db", "http://host")])
