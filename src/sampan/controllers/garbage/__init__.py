"""Objects whose owners are gone go too: over all kinds, custom ones included."""
