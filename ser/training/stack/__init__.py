"""The engine ``stack``: many replicas trained as one batched computation."""
