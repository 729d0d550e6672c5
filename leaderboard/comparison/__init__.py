"""Comparison of two sides: paired differences of panel slices and tasks, marks, named checks, a frame and a picture."""
