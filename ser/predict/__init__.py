"""Emotions of recordings, by the networks whose weights ``save=best`` keeps (docs/prediction.md)."""
