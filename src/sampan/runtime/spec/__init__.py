"""From the contract's records to an OCI runtime specification (`config.json`): pure functions and their tables."""
