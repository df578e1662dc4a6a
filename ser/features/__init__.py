"""Waveform to frames: one module for each option of the group ``feature``."""
