"""Cluster DNS by Kubernetes' DNS specification 1.1.0, answered from memory.

`wire.py` reads questions and writes answers, `zone.py` knows the names (pure), `forward.py` asks upstream for what is
not ours, `resolver.py` decides which of them answers, `server.py` listens.
"""
