"""Published runs as board entries: DCLM's evaluation files and run database, and the gates replayed on them."""
