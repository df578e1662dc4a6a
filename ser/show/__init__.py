"""Pictures of a corpus, of an utterance as the network sees it, and of pos_1 vectors: ``python -m ser.show``."""
