"""Additional tasks for multi-task learning, one module for each kind of label; ``ser.aux_tasks.task`` defines them."""
