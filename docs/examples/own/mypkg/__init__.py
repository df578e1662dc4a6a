"""The example's classes."""
