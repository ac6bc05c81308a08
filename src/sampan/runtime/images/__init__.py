"""Images: names, registries, the content store, unpacking, snapshots, archives, and the `ImageStore` made of them.

`store.LocalImageStore` is the door; `pull.py` tells the story of a pull. Nothing is imported here, so that the
unpacking worker (a process of its own per layer) starts with only what it needs.

Barred from here: running anything. What an image becomes is a directory and a record; mounts are the runtime's.
"""
