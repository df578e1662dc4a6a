"""Read the tracking store (MLflow)."""
