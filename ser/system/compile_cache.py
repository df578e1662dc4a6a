"""Where numba keeps compiled code: beside the source, else in the user's cache folder, else in a temporary folder.

Numba knows the first two and ends with "cannot cache function" where it can write to neither, as in a container with a
read-only installation and no home. Modules that use numba, ours and librosa, call ``settle`` before they import it.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ser.system.files import obstacle
from ser.system.stored import damage_told, intact

_VARIABLE = "NUMBA_CACHE_DIR"
_COMPILED = ("ser", "librosa")


@lru_cache(maxsize=1)
def settle() -> None:
    """Give numba a temporary folder if it could write nowhere; processes that this one starts use it, too.

    The folder is removed when this process ends.
    """
    if os.environ.get(_VARIABLE) or obstacle(_users_folder()) is None or all(map(_beside_source, _COMPILED)):
        return
    folder = tempfile.mkdtemp(prefix="ser-compiled-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ[_VARIABLE] = folder


@lru_cache(maxsize=1)
def pass_over_damage() -> None:
    """Let numba compile again what it cannot read; by itself it ends with an error of pickle's.

    Its readers of an index (.nbi) and of compiled code (.nbc) are replaced by ones that find nothing in a damaged file.
    """
    from numba.core import caching

    class Reading(caching.IndexDataCacheFile):
        def _load_index(self) -> Any:
            return _intact(Path(self._index_path), super()._load_index) or {}

        def _load_data(self, name: str) -> Any:
            return _intact(Path(self._data_path(name)), partial(super()._load_data, name))

    caching.IndexDataCacheFile = Reading  # type: ignore[misc]


def _intact(path: Path, load: Callable[[], Any]) -> Any:
    def read(_: Path) -> Any:
        with damage_told(f"Numba's compiled code {path}", "It is compiled again."):
            return load()

    return intact(path, read)


def _users_folder() -> Path:
    """Numba's folder within the user's cache folder."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(home) / "numba"


def _beside_source(package: str) -> bool:
    """Whether files can be written beside a package's modules."""
    found = find_spec(package)
    return (
        found is not None and found.origin is not None and obstacle(Path(found.origin).parent / "__pycache__") is None
    )
