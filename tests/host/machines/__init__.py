"""Clusters of several machines, which are network namespaces here."""
