"""The machine: worker processes, files, progress on the terminal, versions and devices."""
