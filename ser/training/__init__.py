"""Training: a task (what replicas share), the one loop (one replica) and the engines (many replicas)."""
