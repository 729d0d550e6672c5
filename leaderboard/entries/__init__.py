"""Entries of a board: studies as content-addressed folders of hashes, counts and scores, and what is done with them."""
