"""Reading the tracking store."""
