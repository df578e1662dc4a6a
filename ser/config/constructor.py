"""What a ``_target_`` takes, read from its source: the names and annotations of its constructor's arguments.

A network's module imports torch, which takes two seconds. Planning a sweep, ``--cfg`` and the analysis need no network,
only the ranges of its keys. So the module is parsed and never run; annotations are understood as far as they are made
of the vocabulary in ``ser.config.ranges`` and of Python's own types, and every other one counts as ``Any``.
"""

import ast
import importlib.util
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any, NamedTuple, cast

from ser.config import ranges

_NAMES: dict[str, Any] = {
    **{name: getattr(ranges, name) for name in vars(ranges) if name[0].isupper()},
    **{kind.__name__: kind for kind in (int, float, bool, str, list)},
    "Sequence": list,
}
_SOURCES = ("builtins", "typing", "annotated_types", "collections.abc", "ser.config.ranges")
"""Where the names of the vocabulary come from; a name of another module means something else."""


@lru_cache(maxsize=256)
def arguments(target: str) -> dict[str, Any] | None:
    """The annotation of each argument of a class' constructor or of a function, by the argument's name.

    Args:
        target: ``package.module.name``, as in an option's ``_target_``.

    Returns:
        None where the source is not found, or where any keyword is accepted (``**kwargs``).
    """
    found = _signature(target)
    return None if found is None else {name: argument.annotation for name, argument in found.items()}


def required(target: str) -> set[str]:
    """The arguments of a target that have no default; an empty set where its source is not found."""
    return {name for name, argument in (_signature(target) or {}).items() if argument.required}


def problem(target: str) -> str | None:
    """Why a class or function cannot be there, as far as its source tells; None if nothing speaks against it."""
    module, _, name = target.rpartition(".")
    file = source_file(module)
    if file is None:
        first = module.partition(".")[0]
        there = first == "__main__" or (first and importlib.util.find_spec(first) is not None)
        return None if there else f"there is no module {first!r}: install it, or set PYTHONPATH to its folder"
    try:
        names = _parsed(file).names()
    except SyntaxError as error:
        return f"{file}, line {error.lineno}: {error.msg}"
    except (OSError, ValueError) as error:
        return f"{file} cannot be read ({error})"
    return f"{file} defines no {name}" if names is not None and name not in names else None


class _Argument(NamedTuple):
    annotation: Any
    required: bool


def _signature(target: str) -> dict[str, _Argument] | None:
    """A target's arguments by name; None as for ``arguments``."""
    module, _, name = target.rpartition(".")
    try:
        path = source_file(module)
        return None if path is None else _parsed(path).arguments(name)
    except (ImportError, OSError, SyntaxError, ValueError):  # ``problem`` tells which of these it is
        return None


def _parsed(path: Path) -> "_Module":
    """A module, parsed once for each version of its file."""
    status = path.stat()
    return _module(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _module(path: Path, mtime_ns: int, size: int) -> "_Module":
    return _Module(path)


class _Module:
    """A module's top-level classes, functions, imports and assignments, by name."""

    def __init__(self, path: Path) -> None:
        self._defined: dict[str, ast.AST] = {}
        self._imported: dict[str, str] = {}
        self._has_more = False
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                self._defined[node.name] = node
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                self._imported |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._defined[node.targets[0].id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                self._defined[node.target.id] = node.value
            elif not isinstance(node, ast.Import | ast.Expr | ast.AnnAssign):
                self._has_more = True  # names that are defined in a condition, say

    def names(self) -> set[str] | None:
        """The names that the module defines or imports; None where there may be others."""
        unknown = self._has_more or "*" in self._imported or "__getattr__" in self._defined
        return None if unknown else self._defined.keys() | self._imported.keys()

    def arguments(self, name: str) -> dict[str, _Argument] | None:
        """The arguments of a class or function of this module; None as for the function ``arguments``."""
        node = self._defined.get(name)
        if isinstance(node, ast.Name):
            return self.arguments(node.id)
        if isinstance(node, ast.FunctionDef):
            return self._of_function(node)
        if isinstance(node, ast.ClassDef):
            return self._of_class(node)
        return _signature(self._imported[name]) if name in self._imported else None

    def _of_function(self, node: ast.FunctionDef) -> dict[str, _Argument] | None:
        if node.args.kwarg is not None:
            return None
        without = len(node.args.args) - len(node.args.defaults)
        given = [index >= without for index in range(len(node.args.args))]
        given += [default is not None for default in node.args.kw_defaults]
        every = zip((*node.args.args, *node.args.kwonlyargs), given, strict=True)
        return {each.arg: _Argument(self._read(each.annotation), not has_default) for each, has_default in every}

    def _of_class(self, node: ast.ClassDef) -> dict[str, _Argument] | None:
        """Its own ``__init__``'s arguments; without one, its annotated fields (a dataclass') after its bases'."""
        for each in node.body:
            if isinstance(each, ast.FunctionDef) and each.name == "__init__":
                found = self._of_function(each)
                return found and {name: value for name, value in found.items() if name != "self"}
        result: dict[str, _Argument] = {}
        for base in node.bases:
            inherited = self._of_base(base, node)
            if inherited is None:
                return None
            result |= inherited
        for each in node.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and _is_field(each):
                result[each.target.id] = _Argument(self._read(each.annotation), not _has_default(each))
        return result

    def _of_base(self, base: ast.expr, node: ast.ClassDef) -> dict[str, _Argument] | None:
        """The arguments that a class inherits; None where the base cannot be followed."""
        if not isinstance(base, ast.Name):
            return None
        if base.id in ("ABC", "Protocol", "object"):
            return {}
        if base.id == node.name:  # ``class CNN(CNN)`` of an imported name
            return _signature(self._imported[base.id]) if base.id in self._imported else None
        return self.arguments(base.id)

    def _read(self, node: ast.AST | None) -> Any:
        try:
            return self._understood(node)
        except (KeyError, TypeError, ValueError):
            return Any

    def _understood(self, node: ast.AST | None) -> Any:
        """The annotation that a piece of source stands for.

        Raises:
            KeyError, TypeError, ValueError: it is not made of the vocabulary.
        """
        if isinstance(node, ast.Name):
            if node.id in self._defined:
                return self._understood(self._defined[node.id])
            origin = self._imported.get(node.id, f"builtins.{node.id}")
            if origin.rpartition(".")[0] not in _SOURCES:
                raise KeyError(origin)
            return _NAMES[origin.rpartition(".")[2]]
        if isinstance(node, ast.Constant) and node.value is None:
            return None
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._understood(node.left) | self._understood(node.right)
        if isinstance(node, ast.Subscript):
            items = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            outer = self._understood(node.value)
            inner = [ast.literal_eval(e) if outer is ranges.Literal else self._understood(e) for e in items]
            return outer[tuple(inner)] if len(inner) > 1 else outer[inner[0]]
        if isinstance(node, ast.Call):
            keywords = {str(each.arg): ast.literal_eval(each.value) for each in node.keywords}
            return self._understood(node.func)(*(ast.literal_eval(each) for each in node.args), **keywords)
        raise TypeError


def _is_field(node: ast.AnnAssign) -> bool:
    """Whether an annotated name is an argument of a dataclass: no ``ClassVar``, no ``field(init=False)``."""
    annotation = node.annotation.value if isinstance(node.annotation, ast.Subscript) else node.annotation
    class_variable = isinstance(annotation, ast.Name) and annotation.id == "ClassVar"
    init = _field_keywords(node).get("init")
    return not class_variable and not (isinstance(init, ast.Constant) and init.value is False)


def _has_default(node: ast.AnnAssign) -> bool:
    keywords = _field_keywords(node)
    return bool({"default", "default_factory"} & keywords.keys()) if keywords else node.value is not None


def _field_keywords(node: ast.AnnAssign) -> dict[str, ast.expr]:
    """The keywords of ``field(...)``; none where the value is something else."""
    value = node.value
    is_field = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "field"
    return {str(each.arg): each.value for each in cast(ast.Call, value).keywords} if is_field else {}


def source_file(module: str) -> Path | None:
    """A module's file, found without importing the packages that it lies in; None where there is none."""
    first, *rest = module.split(".")
    try:
        spec: ModuleSpec | None = importlib.util.find_spec(first) if first else None
    except (ImportError, ValueError):  # a name such as __main__ that is not looked for in files
        return None
    for name in rest:  # without the names before it: a folder without __init__.py asks for its imported package
        if spec is None or spec.submodule_search_locations is None:
            return None
        spec = PathFinder.find_spec(name, spec.submodule_search_locations)
    found = spec is not None and spec.origin is not None and spec.origin.endswith(".py")
    return Path(cast(ModuleSpec, spec).origin or "") if found else None
