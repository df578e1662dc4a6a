"""What a sweep's command tells its jobs, through environment variables: any launcher hands these on."""

STARTED = "SER_SWEEP_STARTED"
"""When the sweep began, in seconds of the epoch; with resume=false older results do not count."""

PLANNED = "SER_SWEEP_PLANNED"
"""The name of the sweep whose plan was stored before its jobs began."""
