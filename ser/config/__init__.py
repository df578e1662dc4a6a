"""The configuration: its groups, their ranges, their canonical form, and the signature that names its results."""
