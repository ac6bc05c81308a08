"""Nodes that accept Pods and run nothing: thousands of them in one small process."""
