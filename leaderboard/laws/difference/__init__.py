"""Comparison of two recipes by law: what is fitted and judged is their difference (rule 12)."""
