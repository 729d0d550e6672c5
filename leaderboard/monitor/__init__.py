"""Monitoring new runs against the law of earlier ones; `curate fit monitor`."""
