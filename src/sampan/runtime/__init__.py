"""Runs sandboxes and containers on this host: the contract, the OCI implementation, images, logs, and a fake.

Barred from here: Kubernetes objects (the kubelet translates them into the contract's records) and networks (a sandbox's
network namespace is made by others and comes as a path).
"""
