"""Scales what has a scale subresource by what its Pods use."""
