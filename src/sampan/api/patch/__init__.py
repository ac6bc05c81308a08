"""Patches: pure functions on plain JSON. Inputs are never changed; results may share parts of them.

json.py         RFC 6902              merge.py     RFC 7386
strategic.py    strategic merge       two_way.py   the patch between two objects
threeway.py     client-side apply     apply/       server-side apply and managedFields
shape.py        what all of them know of a type
"""
