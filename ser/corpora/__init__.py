"""Corpora: one module each turns files on disk into the utterance table that everything else reads."""

from ser.corpora.table import CLASSES, Corpus, Utterance

__all__ = ["CLASSES", "Corpus", "Utterance"]
