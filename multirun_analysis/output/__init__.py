"""Tables and figures: as data, and written to files."""
