"""Weights of slices and the order in which their tokens are drawn."""
