"""Bootstrap tokens are removed when they expire."""
