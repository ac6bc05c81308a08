"""Pods leave Nodes with a NoExecute taint, at once or when they tolerate it no longer."""
