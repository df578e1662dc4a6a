"""What a corpus holds, for ``python -m ser.corpora``."""
