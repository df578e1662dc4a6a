"""The speakers that a published corpus is known to have: one without a usable utterance may be a part not copied."""

import logging
from collections.abc import Iterable

from ser.corpora.table import Corpus

_LOG = logging.getLogger(__name__)


def warn_of_missing_speakers(corpus: Corpus, known: Iterable[str], word: str = "speaker") -> None:
    """Log a warning that names the known speakers of whom the corpus has no usable utterance.

    Args:
        corpus: the corpus.
        known: every speaker that the published corpus has.
        word: what the corpus calls a speaker.
    """
    present = {utterance.speaker for utterance in corpus.utterances}
    missing = sorted({*known} - present)
    if missing:
        names = f"{word}{'s' * (len(missing) > 1)} {', '.join(missing)}"
        _LOG.warning("%s has no usable utterance of %s. Is the copy complete?", corpus.root, names)
