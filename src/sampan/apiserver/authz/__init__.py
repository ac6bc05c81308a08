"""May they: each file one way to decide. See `contracts.Authorizer`."""
