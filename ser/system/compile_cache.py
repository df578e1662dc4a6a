"""Where numba keeps compiled code: beside the source, else in the user's cache folder, else in a temporary folder.

Numba knows the first two and ends with "cannot cache function" where it can write to neither, as in a container with a
read-only installation and no home. Modules that use numba, ours and librosa, call ``settle`` before they import it.
"""

import atexit
import os
import shutil
import tempfile
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from ser.system.files import obstacle

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
