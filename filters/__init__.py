"""Signals, rule sets, modifiers, classifiers and controls that judge documents."""
