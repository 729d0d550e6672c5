"""Deduplication: exact and MinHash, each a verdict over the documents that are still alive."""
