"""How commands end, as processes: exit status, what is printed, and no traceback."""

import os
import signal
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, time
from ser.errors import UserError
from ser.system.command import run_command

def refuse():
    raise UserError("lr=-1 is below 0")

def full_disk():
    raise OSError(28, "No space left on device", "results/a.npz")

def interrupt():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(9)

def wait():
    print("waiting", flush=True)
    time.sleep(60)

def much():
    for _ in range(100_000):
        print("0123456789")

commands = {
    "nothing": lambda: None, "three": lambda: 3, "refuse": refuse, "full disk": full_disk, "interrupt": interrupt,
    "wait": wait, "much": much, "letters": lambda: print("± 0.5 Zoë"), "own": lambda: print(__import__("own").HERE),
}
run_command(commands[sys.argv[1]], "Stopped.")
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    return [sys.executable, str(tmp_path / "script.py")]


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("nothing", 0, ""),
        ("three", 3, ""),
        ("refuse", 2, "lr=-1 is below 0\n"),
        ("full disk", 2, "No space left on device (results/a.npz). Results, cache and tracking need a folder"),
        ("interrupt", 130, "Stopped.\n"),
    ],
)
def test_the_exit_status_and_one_message(script, name, status, said):
    done = subprocess.run([*script, name], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stderr.startswith(said) and done.stderr.count("\n") == bool(said)


def test_sigterm_ends_it_like_ctrl_c(script):
    process = subprocess.Popen([*script, "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    assert (process.wait(10), process.stderr.read()) == (143, "Stopped.\n")


def test_a_reader_that_has_gone_is_no_error(script):
    with subprocess.Popen([*script, "much"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(10), process.stderr.read()) == (0, "")


@pytest.mark.parametrize(("encoding", "printed"), [("ascii", b"+- 0.5 Zoe"), ("latin-1", b"\xb1 0.5 Zo\xeb")])
def test_letters_that_a_terminal_lacks_are_written_in_ascii(script, encoding, printed):
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([*script, "letters"], capture_output=True, env=environment, check=True)
    assert done.stdout.strip() == printed


@pytest.mark.parametrize(("flags", "status"), [([], 0), (["-P"], 1)])
def test_modules_in_the_current_folder_are_found_unless_python_was_told_not_to(script, tmp_path, flags, status):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own.py").write_text("HERE = 'found'\n")
    command = [sys.executable, *flags, *script[1:], "own"]
    done = subprocess.run(command, cwd=tmp_path / "here", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (status, "" if status else "found\n")
