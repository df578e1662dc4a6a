"""The key ``corpus.columns``: which column of a user's CSV holds what, ``{path: file, speaker: speaker_id}``.

A value with braces is a template over the CSV's columns: ``dia{Dialogue_ID}_utt{Utterance_ID}.wav``. As everywhere in a
CSV's header, capitals do not count.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from ser.corpora.names import composed
from ser.errors import UserError

_FIELD = re.compile(r"\{([^{}]*)\}")


def is_template(source: str) -> bool:
    """Whether a value of ``corpus.columns`` is a template, and not the name of a column."""
    return _FIELD.search(source) is not None


def fields_of(source: str) -> list[str]:
    """The columns of the CSV that a value of ``corpus.columns`` names.

    >>> fields_of("dia{dialogue_id}_utt{utterance_id}.wav"), fields_of("file")
    (['dialogue_id', 'utterance_id'], ['file'])
    """
    return _FIELD.findall(source) or [source]


def filled(template: str, cell: Callable[[str], str]) -> str:
    """A template with the text of each column, which ``cell`` returns, in its place."""
    return _FIELD.sub(lambda match: cell(match[1]), template)


def sources(
    columns: Mapping[str, str] | None, known: Collection[str], header: Sequence[str], file: Path
) -> dict[str, str]:
    """Check ``corpus.columns``, and bring the names in it into the form of the header.

    Args:
        columns: our column -> the column of the CSV that holds it, or a template over its columns; None: all columns
            have our names.
        known: the columns that a reader has.
        header: the columns of the CSV, in small letters.
        file: the CSV.

    Returns:
        Our column -> column of the CSV in small letters, or template with such columns.

    Raises:
        UserError: ``columns`` is refused by ``check_columns``, names a column that is not in the header, or takes two
            of our columns from one column.
    """
    check_columns(columns, known)
    found = {ours: _in_small_letters(theirs) for ours, theirs in (columns or {}).items()}
    for ours, theirs in found.items():
        _check_in_header(ours, theirs, header, file)
    twice = [name for name, count in Counter(found.values()).items() if count > 1]
    if twice:
        both = " and ".join(ours for ours, theirs in found.items() if theirs == twice[0])
        raise UserError(
            f"corpus.columns takes {both} from one column, {twice[0]!r}. Take each from a column of its own."
        )
    return found


def check_columns(columns: Mapping[str, str] | None, known: Collection[str]) -> None:
    """Check that ``corpus.columns`` is a mapping of the reader's columns to names.

    Args:
        columns: the key.
        known: the columns that the reader has.

    Raises:
        UserError: it is no such mapping.
    """
    columns = {} if columns is None else columns
    if not isinstance(columns, Mapping) or not all(isinstance(value, str) and value for value in columns.values()):
        raise UserError(f"corpus.columns={columns} is not understood. {_FORM}")
    for ours in columns:
        if ours not in known:
            raise UserError(f"corpus.columns names {ours!r}, but the columns are {', '.join(known)}. {_FORM}")


_FORM = "Write it as 'corpus.columns={path: file, speaker: speaker_id}': our column, then yours, in quotes."


def _in_small_letters(theirs: str) -> str:
    """A column in the form of the header; in a template only the names of columns."""
    if is_template(theirs):
        return _FIELD.sub(lambda match: "{" + composed(match[1].strip().lower()) + "}", theirs)
    return composed(theirs.strip().lower())


def _check_in_header(ours: str, theirs: str, header: Sequence[str], file: Path) -> None:
    for column in fields_of(theirs):
        if column not in header:
            close = difflib.get_close_matches(column, header, n=1)
            advice = f" Did you mean {close[0]}?" if close else " Correct corpus.columns."
            raise UserError(
                f"corpus.columns takes {ours} from {column!r}, but {file} has no such column; its header is "
                f"{', '.join(header) or 'empty'}.{advice}"
            )
