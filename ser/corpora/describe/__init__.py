"""The command ``python -m ser.corpora``, which describes a corpus."""
