"""Networks, one module each, written for one model: (batch, frames, features) -> pos_1 vector and logits.

A model's constructor takes ``frames``, ``features`` and ``classes`` besides its option's keys; it has an attribute
``vector_size`` and a ``forward(frames, count)``, where ``count`` holds each segment's number of real frames.
"""
