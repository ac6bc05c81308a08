"""NetworkPolicies of one node, enforced: who may begin a connection to a Pod, and to whom a Pod may.

    NetworkPolicy ──▶ model.py (what it says) ─┐
    Pods, Namespaces ──────────────────────────┴▶ index.py (whom it is about) ──▶ render.py (as rules and sets)
                                      enforcer.py keeps the kernel in step; gate.py holds a Pod back until it is so

Each node looks after its own Pods only: egress where the client is, ingress where the server is. All but `enforcer.py`
and `gate.py` is pure. As long as no policy selects a Pod of this node there is no table, and a packet costs nothing.
"""
