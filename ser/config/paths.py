"""Where the project's own files lie."""

from pathlib import Path

import ser


def conf_dir() -> Path:
    """The folder of the configuration groups: inside the package in a wheel, beside the package in a checkout."""
    package = Path(ser.__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"
