"""Rank stability: what the order of recipes at a small tier says of their order at the target."""
