"""The objects of the Kubernetes API and pure functions on them. Imports nothing else of ours."""
