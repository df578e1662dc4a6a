"""The code of docs/python.md runs as it stands, one block after another, in an empty folder."""

import contextlib
import re

from support import REPOSITORY

BLOCKS = re.compile(r"^```python\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def test_the_code_of_the_page_runs(tmp_path, tiny, capsys):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "synthetic-tiny-seed0").symlink_to(tiny)  # else the page's first command generates it
    blocks = BLOCKS.findall((REPOSITORY / "docs" / "python.md").read_text(encoding="utf-8"))
    names: dict = {}
    with contextlib.chdir(tmp_path):
        for block in blocks:
            exec(compile(block, "docs/python.md", "exec"), names)
    assert len(names["results"]) == 3 * 2 * 2, "three configurations, two seeds, two folds"
    assert names["by_seed"]["wa"].notna().all()
    assert (tmp_path / "over.png").stat().st_size > 10_000
    assert names["apart"].ratio < 1
    assert f"sweep {names['name']}\n" in capsys.readouterr().out
