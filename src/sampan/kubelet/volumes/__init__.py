"""Volumes: what is in them (`payload.py`, pure), how it gets there (`atomic.py`, `plugins.py`, `claims.py`,
`tokens.py`), how a container sees it (`mounts.py`), and who keeps track (`manager.py`)."""
