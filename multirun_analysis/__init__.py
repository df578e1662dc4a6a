"""Tables, figures and a report from the tracking store: what was run, what is missing, how configurations compare."""
