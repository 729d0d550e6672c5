"""Filters that are fitted or carry a model: classifiers, scores, quantiles."""
