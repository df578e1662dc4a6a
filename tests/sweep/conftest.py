"""A sweep that is run once, and copies of its working directory."""

import pytest
from support import run
from sweep.workplace import POINTS, SERIAL, SMALL, contents, copy, rows


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny):
    """A working directory after a sweep of six points, two of them equal, trained by workers; to be read only."""
    folder = tmp_path_factory.mktemp("finished")
    done = run("-m", *SMALL, f"corpus.root={tiny}", *POINTS, cwd=folder)
    (folder / "stdout").write_text(done.stdout)
    (folder / "stderr").write_text(done.stderr)
    assert done.returncode == 0, done.stderr
    rows(folder, "pragma wal_checkpoint(truncate)")  # else the first reader does it, which changes the file
    before = contents(folder)
    yield folder
    assert contents(folder) == before, "a test has changed the shared working directory: let it use `folder`"


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of that working directory, for a test that changes something."""
    copy(finished, tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def command(folder, tiny):
    """Another command in the copied working directory, as small as the finished sweep; it trains without workers."""

    def call(*arguments, sweep=True, cwd=folder, **more):
        return run(*(["-m"] if sweep else []), *SMALL, SERIAL, f"corpus.root={tiny}", *arguments, cwd=cwd, **more)

    return call
