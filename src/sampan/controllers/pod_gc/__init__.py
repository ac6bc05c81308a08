"""Pods that nobody will finish: of Nodes that are no more, never scheduled, or finished and too many."""
