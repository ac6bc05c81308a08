"""The store: versioned keys with one increasing revision, ordered watches and durable writes.

Nothing here knows Kubernetes: keys are paths, values are opaque bytes. `contract.py` is all that other rooms may rely
on; `memory.py`, `sqlite.py` and `etcd.py` implement it.
"""
