"""Imports of ``multirun_analysis`` go one way: from the command line down to statistics, store and output."""

import ast
from pathlib import Path

import pytest

import multirun_analysis

ROOT = Path(multirun_analysis.__file__).parent
LAYERS = (
    ("inference", "store"),
    ("output", "audit"),
    ("grids",),
    ("comparisons", "convergence", "likeness", "classes", "speakers"),
    ("by", "where", "paper"),
    ("over",),
    ("robustness", "plot", "writing"),
    ("sweeps",),
    ("__main__",),
)
"""From bottom to top. A module or folder imports only what is below it, and what is in its own folder."""

MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py") if path.name != "__init__.py")


def layer(name):
    return next(index for index, names in enumerate(LAYERS) if name in names)


def imports(module):
    """The statements ``from multirun_analysis... import ...`` of a module."""
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "multirun_analysis":
            yield node


def imported(module):
    """The modules of ``multirun_analysis`` that a module imports: ``output.tables`` and so on."""
    for node in imports(module):
        package = node.module.partition(".")[2]
        names = [".".join(filter(None, (package, alias.name))) for alias in node.names]
        submodules = [name for name in names if (ROOT / name.replace(".", "/")).with_suffix(".py").exists()]
        yield from submodules or [package]


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_only_lower_layers_and_its_own_folder(module):
    own = module.with_suffix("").parts[0]
    for name in imported(module):
        folder = name.partition(".")[0]
        assert folder == own or layer(folder) < layer(own), f"{module} imports {name}"


def test_no_modules_of_a_folder_import_one_another_in_a_circle():
    graph = {".".join(module.with_suffix("").parts): set(imported(module)) for module in MODULES}
    while graph:
        leaves = {name for name, targets in graph.items() if not targets & graph.keys()}
        assert leaves, f"a circle among {sorted(graph)}"
        graph = {name: targets for name, targets in graph.items() if name not in leaves}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_imports_names_as_they_are(module):
    assert not [alias.asname for node in imports(module) for alias in node.names if alias.asname]
