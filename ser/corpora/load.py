"""Load the corpus that an option of the config group ``corpus`` describes."""

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ser.config.build import locate
from ser.config.former import former
from ser.corpora.labels import labels_in
from ser.corpora.official import check_official
from ser.corpora.speakers import check_speakers_known
from ser.corpora.table import Corpus
from ser.errors import UserError

DUPLICATES = ("refuse", "keep")
"""Values of the key ``duplicates``: whether the same recording may occur in two sessions or under two speakers."""

_NAMED_BY_READER = ("manifest", "several", "audformat")
"""Options whose readers name the corpus, so that two of them are told apart."""


def load(options: Mapping[str, Any]) -> Corpus:
    """Call the function that ``_target_`` names; the option's other keys but ``duplicates`` are its arguments.

    Args:
        options: the keys of the option, such as
            ``{"name": "emodb", "_target_": "ser.corpora.emodb.read", "root": "/path/to/emodb"}``.

    Returns:
        The corpus, called by the option's ``name``; a manifest is called by its file, an audformat database by its
        name, unless ``corpus.name`` is given.
        ``duplicates=keep`` sets its ``keep_duplicates``.

    Raises:
        UserError: ``name`` or ``_target_`` is missing, the value of ``duplicates`` is not known, the function cannot
            be imported or does not take these arguments, the corpus cannot be read, its official split has
            another part than train, dev and test, or utterances lack a speaker (``check_speakers_known``).
    """
    options = former("corpus", options)
    missing = {"name", "_target_"} - options.keys()
    if missing:
        raise UserError(f"The option of the group corpus lacks {' and '.join(sorted(missing))}. Add it to its file.")
    name, target = options["name"], options["_target_"]
    arguments = {key: value for key, value in options.items() if key not in ("name", "_target_")}
    duplicates = arguments.pop("duplicates", DUPLICATES[0])
    if duplicates not in DUPLICATES:
        raise UserError(f"corpus.duplicates={duplicates} is not one of {', '.join(DUPLICATES)}. Choose one of them.")
    if isinstance(arguments.get("labels"), str):
        arguments["labels"] = labels_in(arguments["labels"])
    read = locate(target)
    try:
        inspect.signature(read).bind(**arguments)
    except TypeError as error:
        known = ", ".join([*inspect.signature(read).parameters, "duplicates"])
        raise UserError(f"corpus={name}: {target} {error}. It takes {known}.") from error
    corpus: Corpus = read(**arguments)
    check_official(corpus)
    check_speakers_known(corpus)
    called = corpus.name if name in _NAMED_BY_READER else name
    return replace(corpus, name=called, keep_duplicates=duplicates == "keep")
