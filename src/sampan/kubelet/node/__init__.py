"""The node as an object of the API: what it has (`facts.py`), how it is (`status.py`), that it lives (`registrar.py`)."""
