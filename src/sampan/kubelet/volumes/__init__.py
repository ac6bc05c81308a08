"""Volumes, from what a Pod asks for to what its containers see. `manager.py` keeps track.

    empty_dir.py, host_path.py, claims.py   made ready once; then they are the containers' own
    contents.py, payload.py, atomic.py      files that show objects, and follow them (tokens.py: also the clock)
    ownership.py, filesystems.py            what several of them need: fsGroup, mounts of our own
    source.py, mounts.py                    a volume that is ready, and how a container sees it (pure)
"""
