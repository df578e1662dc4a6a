"""The engine ``stack``: it trains many replicas as one batched computation."""
