"""Tables from the result store: what was run, what is missing, and how the configurations compare."""
