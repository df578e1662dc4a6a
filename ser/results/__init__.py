"""What a training found: its file, its metrics, and its run in MLflow."""
