"""Nodes that are not heard of: unknown, tainted, and their Pods no longer ready."""
