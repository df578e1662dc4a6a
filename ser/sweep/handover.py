"""What a sweep's command tells its jobs, through environment variables: any launcher hands these on."""

STARTED = "SER_SWEEP_STARTED"
"""The mark of one run of the command: when it began, in seconds of the epoch.

It is written into every result and every note of a failure; with resume=false only those with this mark count. Marks
are compared for equality only, so that the clocks of several machines need not agree.
"""

SOURCES = "SER_SWEEP_SOURCES"
"""The hashes of the modules of users' own classes when the sweep was planned, by module, as JSON."""

PLANNED = "SER_SWEEP_PLANNED"
"""The name of the sweep whose plan was stored before its jobs began."""
