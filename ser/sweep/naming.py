"""The name of a sweep that the user did not name."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from ser.config.words import by_key, key_of, parameter_of

_LONGEST_NAME = 60  # characters before the hash
_ASIDE = re.compile(r"(engine|tracking|hydra|results|cache)\b.*|resume|device|save|sweep|metrics")


def sweep_name(overrides: Sequence[str]) -> str:
    """Name a sweep that the user did not name: after its experiment, else in words for what it trains, and a hash.

    Seeds do not change the name, nor does how and where the sweep runs.

    >>> sweep_name(["corpus=emodb", "loss=cos,l2", "lambda.weight=0.6,0.7", "repeats=3"])
    'emodb-loss-cos+l2-lambda-0.6+0.7-a1fff9'
    """
    given = by_key(overrides)
    if "experiment" in given:
        return re.sub(r"[^\w.+-]+", "-", given["experiment"]).strip("-+.")
    said = [override for override in decisive(overrides) if key_of(override) not in ("seed", "repeats")]
    words = [_corpus_word(given), *map(_words, said)]
    text = re.sub(r"[^\w.+-]", "", "-".join(filter(None, words)))[:_LONGEST_NAME].strip("-+.")
    return "-".join([text or "defaults", short_hash(sorted(said), 6)])


def _corpus_word(given: dict[str, str]) -> str:
    """The corpus, if it was typed; a manifest by its file, as in the tables."""
    if given.get("corpus") == "manifest" and "corpus.root" in given:
        return given.get("corpus.name") or Path(given["corpus.root"]).stem
    return given.get("corpus", "")


def _words(override: str) -> str:
    """``lambda-0.6+0.7`` for ``lambda.weight=0.6,0.7``; the corpus' own keys (a path, say) are left to the hash."""
    key, value = key_of(override), override.partition("=")[2]
    if key.partition(".")[0] == "corpus":
        return ""
    return f"{parameter_of(key).rpartition('.')[2]}-{value.replace(',', '+')}"


def decisive(overrides: Sequence[str]) -> list[str]:
    """The overrides that decide what is trained, without those that decide how and where."""
    return [override for override in overrides if not _ASIDE.fullmatch(key_of(override))]


def short_hash(lines: Sequence[str], digits: int) -> str:
    """The first hexadecimal digits of the SHA-256 of these lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:digits]
