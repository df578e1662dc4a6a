"""Corpora that say nothing over speakers: they name none, or each speaker said one utterance."""

from ser.corpora.table import Corpus
from ser.errors import UserError


def doubt_of_speakers(corpus: Corpus) -> str | None:
    """Why nothing is computed over the speakers of a corpus, as part of a sentence; None where it can be."""
    if not corpus.speakers:
        return (
            "not known, so nothing is computed over speakers. Where a column has them: 'corpus.columns={speaker: ...}'"
        )
    if len(corpus.speakers) == len(corpus.utterances):
        return (
            f"as many as utterances ({len(corpus.speakers)}), so tables over speakers are left out; validation=speaker "
            "and feature.normalisation=speaker take every utterance for a speaker of its own"
        )
    return None


def check_speakers_known(corpus: Corpus) -> None:
    """Check that a corpus, which may come from a user's own reader, names its speakers: all, or none of a split.

    Raises:
        UserError: an utterance has no speaker, and the corpus has no official split or others have one.
    """
    nameless = [utterance.id for utterance in corpus.utterances if not utterance.speaker]
    if nameless and not (corpus.official_split and len(nameless) == len(corpus.utterances)):
        raise UserError(
            f"{corpus.root}: the utterance {nameless[0]} has no speaker. Only a corpus with an official split may do "
            "without, and then for all of its utterances."
        )


def needs_speakers(corpus: Corpus, what: str, other: str) -> None:
    """Refuse what cannot be done without speakers.

    Args:
        corpus: the corpus.
        what: what needs them, as the beginning of a sentence, such as ``"validation=speaker holds speakers out"``.
        other: what to choose instead, such as ``"validation=stratified"``.

    Raises:
        UserError: the speakers are not known.
    """
    if not corpus.speakers:
        raise UserError(
            f"{what}, but the speakers of {corpus.name} are not known. Say which column has them "
            f"('corpus.columns={{speaker: ...}}'), or choose {other}."
        )
