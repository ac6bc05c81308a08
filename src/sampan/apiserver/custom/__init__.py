"""Custom resources: what a CustomResourceDefinition's schema says of its objects (`pruning.py`, `validation.py`,
`printing.py`), their strategy, and who serves them (`registrar.py`)."""
