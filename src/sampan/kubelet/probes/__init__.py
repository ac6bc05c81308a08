"""Probes: what a handler finds (`http.py`, `tcp.py`, `exec.py`, `grpc.py`) and what follows from it (`prober.py`)."""
