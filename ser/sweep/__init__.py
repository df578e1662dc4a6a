"""A sweep: the command line, its points, the plan, one job, and what is shown."""
