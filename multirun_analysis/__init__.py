"""Tables, figures and a report from the tracking store: what ran, what is missing, how configurations compare."""
