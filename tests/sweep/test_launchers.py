"""Two commands at once in one working directory. (Hydra's joblib launcher: test_queue.)"""

import subprocess
import sys

from sweep.workplace import SMALL, rows


def test_two_sweeps_at_once_in_one_folder(tmp_path, tiny):
    command = [sys.executable, "-m", "ser.run", "-m", *SMALL, f"corpus.root={tiny}", "loss=none", "seed=0,1", "fold=1"]
    both = [subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(ends)
    assert rows(tmp_path, "select count(*) from runs") == [(2,)]
