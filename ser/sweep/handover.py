"""What a sweep's command tells its jobs, through environment variables.

Jobs inherit them, or are given them (``ser.sweep.launchers.handover``).
"""

STARTED = "SER_SWEEP_STARTED"
"""The mark of one run of the command: when it began, in seconds of the epoch.

It is written into every result and every note of a failure; with resume=false only those with this mark count. Marks
are compared for equality only, so that the clocks of several machines need not agree.
"""

SOURCES = "SER_SWEEP_SOURCES"
"""The hashes of the modules of users' own classes when the sweep was planned, by module, as JSON."""

PLANNED = "SER_SWEEP_PLANNED"
"""The name of the sweep whose plan was stored before its jobs began."""

SWEPT = "SER_SWEEP_SWEPT"
"""The keys in which the sweep's points differ, joined by commas: the names of its runs begin with them."""

COMMAND = "SER_SWEEP_COMMAND"
"""The command line as it was typed, for the notes of its runs."""

PROCESS = "SER_SWEEP_PROCESS"
"""The id of the command's process, with which a launcher's jobs on the same machine end."""

TRACKING = "MLFLOW_TRACKING_URI"
"""MLflow's own variable with the address of the tracking store."""

EXPERIMENT = "MLFLOW_EXPERIMENT_NAME"
"""MLflow's own variable with the name of the experiment."""

HANDED_OVER = (STARTED, SOURCES, PLANNED, SWEPT, COMMAND, TRACKING, EXPERIMENT)
"""The variables that jobs on another machine need."""
