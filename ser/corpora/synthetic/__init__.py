"""The synthetic corpus: generated speech-like signals in IEMOCAP's layout."""
