"""Endpoints, the older list of a Service's addresses, for those who still read it."""
