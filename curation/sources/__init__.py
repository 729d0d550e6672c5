"""Where documents come from: files on disk and the installed environment."""
