"""Additional tasks for multi-task learning: one module for each kind, see ``ser.aux_tasks.task``."""
