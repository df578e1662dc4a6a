"""Compiled code for the CPU that stands in for PyTorch's operations."""
