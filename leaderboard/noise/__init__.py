"""Noise: how far runs, checkpoints and items scatter without any change of the data, and what that lets one see."""
