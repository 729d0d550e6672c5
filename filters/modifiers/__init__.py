"""Modifiers: components that rewrite text and say how much they changed."""
