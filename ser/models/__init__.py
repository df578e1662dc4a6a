"""Networks, one module each. A network is written for one replica; engines decide how many are trained at a time.

The contract of a model:

- The constructor takes ``frames``, ``features`` and ``classes``, besides the keys of its option in ``conf/model``.
- ``vector_size`` is the number of dimensions of the pos_1 vector.
- ``forward(frames, count)`` takes segments of shape (batch, frames, features), zero-padded at the end, and their
  numbers of real frames, shape (batch,). It returns the pos_1 vectors, shape (batch, vector_size), and the logits,
  shape (batch, classes).
"""
