"""Compiled kernels (numba) that replace some of PyTorch's operations on the CPU."""
