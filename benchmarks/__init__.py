"""Times of what the product does, beside what it is compared with; ``python -m benchmarks`` prints them.

Nothing here is asserted: a table says what was measured on the machine it names.
"""
