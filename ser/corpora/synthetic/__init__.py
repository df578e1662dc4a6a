"""The generated corpus: speech-like signals in IEMOCAP's layout."""
