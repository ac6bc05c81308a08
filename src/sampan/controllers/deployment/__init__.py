"""Deployments: ReplicaSets by revision, the new one growing while the old ones shrink."""
