"""Contamination of a comparison: what a gain is on suspicious items, on clean ones, and the gap between them."""
