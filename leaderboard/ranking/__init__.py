"""Ranks as estimates: which rows share a table, how sure each place is, and how that is shown."""
