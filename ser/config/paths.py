"""Where the project's own files lie."""

from functools import cache
from pathlib import Path

import ser
from ser.config.words import quoted


def conf_dir() -> Path:
    """The folder of the configuration groups: inside the package in a wheel, beside the package in a checkout."""
    package = Path(ser.__file__).resolve().parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


@cache
def is_shipped(group: str, option: str) -> bool:
    """Whether an option of this name is the project's own; asked for each point of every plan that is read."""
    return (conf_dir() / group / f"{option}.yaml").is_file()


def search_path(config_dir: str | Path | None) -> list[str]:
    """The override by which Hydra finds a user's own options, in the folder that ``--config-dir`` named, if any."""
    return [f"hydra.searchpath=[{quoted(f'file://{Path(config_dir).absolute()}')}]"] if config_dir else []
