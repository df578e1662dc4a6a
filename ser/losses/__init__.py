"""Losses, one module each, and how they are put together."""
