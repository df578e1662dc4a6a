"""The source of a user's own code, so that results of other code are not taken for its results.

A user's own model, loss, feature or loader (a ``_target_`` outside this package) enters the signature by the text of
its module and of every module that it imports, directly or not, except those of Python itself, of installed packages
and of this package. The files are read and never run. What is imported by a name made at run time, and what the code
reads from files and from variables of the environment, is not seen: ``unseen`` finds where.
"""

import ast
import hashlib
import re
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ser.config.constructor import problem, source_file
from ser.errors import UserError

_UNSEEN = re.compile(
    r"^(load|exec|eval|__import__)$|\b(open|import_module|run_path|read_text|read_bytes|loadtxt|genfromtxt|fromfile)$"
    r"|\b(memmap|read_csv|read_parquet)$|\b(np|numpy|json|torch|pickle|yaml|joblib)\.load$|\bgetenv$"
)
"""Calls that import a module by a name made at run time, or read a file or a variable of the environment."""

_PYTHONS_OWN = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_INSTALLED = {"site-packages", "dist-packages"}
"""The folders of installed packages: of this environment, the user's (``pip install --user``), and the system's."""


def sources(target: str) -> dict[str, str]:
    """The hash of each module that a user's own class is made of, by the module's name.

    Args:
        target: ``package.module.name``, as in an option's ``_target_``.

    Returns:
        An empty dictionary for a class of this package, whose code goes by ``ser.config.signature.NUMERICS``.

    Raises:
        UserError: the class' module cannot be found, or has no source file, as in a notebook or a compiled extension.
    """
    module = target.rpartition(".")[0]
    if module.split(".")[0] == "ser":
        return {}
    if module and source_file(module) is None and (reason := problem(target)):
        raise UserError(f"_target_: {target} cannot be imported ({reason}).")
    if module in ("", "__main__") or source_file(module) is None:
        raise UserError(
            f"_target_: {target} has no source file that can be found (a class of a notebook or of compiled code has "
            "none), so its results could not be told from those of a later version. Put the class into a module, a .py "
            "file in a folder on PYTHONPATH, and name it as module.Class."
        )
    found: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        file = source_file(name)
        if file is not None and name not in found and (name == module or not _is_installed(file)):
            found[name] = hashlib.sha256(file.read_bytes()).hexdigest()[:32]
            waiting += _imports(file, name, found[name])
    return dict(sorted(found.items()))


@lru_cache(maxsize=256)
def _imports(file: Path, module: str, digest: str) -> tuple[str, ...]:
    """The names of the modules that a file of this digest may import; a name after ``import`` need not be a module."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(name for node in _nodes(file) for name in _named(node, package) if name.split(".")[0] != "ser")


def _nodes(file: Path) -> Iterator[ast.AST]:
    """The nodes of a module's source; none if it cannot be parsed: importing it will fail, and say why."""
    try:
        yield from ast.walk(ast.parse(file.read_bytes()))
    except (SyntaxError, ValueError):
        return


def _named(node: ast.AST, package: str) -> Iterator[str]:
    """The modules that an import statement names, and the packages that they lie in."""
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        parents = package.split(".")
        kept = parents[: len(parents) - node.level + 1] if node.level else []
        names = [".".join(filter(None, [*kept, node.module, alias.name])) for alias in node.names]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[: depth + 1]) for depth in range(len(parts)))


def unseen(module: str) -> tuple[int, str] | None:
    """Where a module first does what its hash cannot follow.

    It imports by a name made at run time, or reads a file or a variable of the environment.

    Returns:
        The line and the call or name, such as ``importlib.import_module`` or ``os.environ``; None if it does nothing of
        this kind, as far as calls that are commonly used for it tell.
    """
    file = source_file(module)
    if file is None:
        return None
    found, nodes = [], list(_nodes(file))
    written = {node.value for node in nodes if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load)}
    for node in nodes:
        if isinstance(node, ast.Call) and _UNSEEN.search(call := ast.unparse(node.func)):
            found.append((node.lineno, call))
        elif isinstance(node, ast.Attribute | ast.Name) and node not in written:
            found += [(node.lineno, name)] if (name := ast.unparse(node)) in ("os.environ", "environ") else []
    return min(found, default=None)


def _is_installed(file: Path) -> bool:
    return bool(_INSTALLED & set(file.parts)) or any(file.is_relative_to(folder) for folder in _PYTHONS_OWN)
