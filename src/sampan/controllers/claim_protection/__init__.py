"""A claim that a Pod uses is not removed under it."""
