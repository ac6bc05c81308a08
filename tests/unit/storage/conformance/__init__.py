"""What every store must do. A new implementation adds a world to `conftest.py` and nothing else."""
