"""Mixture laws: losses of runs under many mixtures in, predictions and proposed weights out."""
