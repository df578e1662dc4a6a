"""Check whether the runs of a store can be compared, and say in words for a researcher what stands against it."""
