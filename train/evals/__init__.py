"""Evaluations: rendered tasks and panels scored by a model, and the results that everything else reads."""
