"""Statistical inference, as pure functions on arrays."""
