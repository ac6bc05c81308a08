"""The node as an API object: what it has (`facts.py`), how it is (`status.py`), that it lives (`registrar.py`)."""
