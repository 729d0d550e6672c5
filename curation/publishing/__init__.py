"""What goes out with a corpus: its card, sample, dropped documents, Croissant and provenance; and where it goes."""
