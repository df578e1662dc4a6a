"""The house as docs/architecture.md describes it."""

import re

import pytest
from support import REPOSITORY, imports

FLOORS = (
    "run", "tune", "status", "ui", "show", "predict", "sweep", "training", "results", "losses", "data", "aux_tasks",
    "models", "features", "corpora", "config", "kernels", "system", "errors",
)  # fmt: skip
"""The folders and files of ``ser``; each uses only those that come later."""

ANALYSIS = (
    "__main__", "sweeps", "writing", "plot", "robustness", "paper", "over", "by", "where", "comparisons",
    "convergence", "likeness", "classes", "speakers", "grids", "audit", "output", "store", "inference",
)  # fmt: skip
"""The same for ``multirun_analysis``."""


def uses(package: str) -> dict[tuple[str, str], list[str]]:
    """Which part of a package uses which other part, and in which files."""
    found: dict[tuple[str, str], list[str]] = {}
    for file in sorted((REPOSITORY / package).rglob("*.py")):
        if package == "ser" and file.name == "__main__.py":
            continue  # a command, which may use everything
        part = file.relative_to(REPOSITORY / package).parts[0].removesuffix(".py")
        for name in imports(file):
            if name.startswith(f"{package}.") and name.split(".")[1] != part and part != "__init__":
                found.setdefault((part, name.split(".")[1]), []).append(str(file.relative_to(REPOSITORY)))
    return found


def test_a_folder_uses_only_folders_further_down():
    for package, floors in (("ser", FLOORS), ("multirun_analysis", ANALYSIS)):
        upwards = {
            pair: files for pair, files in uses(package).items() if floors.index(pair[0]) > floors.index(pair[1])
        }
        assert not upwards


def test_every_folder_is_named_in_the_documentation():
    text = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    for folder in (path for path in (REPOSITORY / "ser").iterdir() if (path / "__init__.py").exists()):
        assert re.search(rf"^ +{folder.name}/ ", text, flags=re.MULTILINE), folder.name
    for group in (path.name for path in (REPOSITORY / "conf").iterdir() if path.is_dir()):
        assert group in ("hydra", "experiment", "robustness", "comparison") or f"| `{group}` |" in text, group


def test_mlflow_is_imported_in_two_modules():
    files = [
        str(file.relative_to(REPOSITORY))
        for file in sorted((REPOSITORY / "ser").rglob("*.py"))
        if any(name.split(".")[0] == "mlflow" for name in imports(file))
    ]
    assert files == ["ser/results/mlflow.py", "ser/results/mlflow_models.py"]


def test_the_groups_of_tests_reach_pytest_xdist(request):
    """Else every process would train the shared sweeps for itself, and nobody would notice."""
    if not hasattr(request.config, "workerinput"):
        pytest.skip("only pytest-xdist groups tests")
    assert request.node.nodeid.endswith("@tests/test_layout.py")
