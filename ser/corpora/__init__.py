"""Corpora: each module reads the files of one corpus and returns its utterance table, a ``Corpus``."""

from ser.corpora.table import CLASSES, Corpus, Utterance

__all__ = ["CLASSES", "Corpus", "Utterance"]
