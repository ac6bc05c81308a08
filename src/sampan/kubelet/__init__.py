"""The kubelet: makes a node run the Pods that are bound to it, and says what became of them.

`worker.py` is the life of one Pod; `actions.py` decides what to do next (pure), `starter.py` does it; `status.py` says
what became of it.
It speaks to an API server through `sampan.client`, to containers through `sampan.runtime.contract`, to the node's
network through `sampan.network.contract`. It knows nothing of schedulers, controllers or stores.
"""
