"""Features: from a waveform to frames. Each option of the config group ``feature`` has its module here."""
