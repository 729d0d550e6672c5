"""Scaling laws: one interface, one module a law, each fitted the way its authors did (docs/scaling.md)."""
