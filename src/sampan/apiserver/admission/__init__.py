"""What is added to, or refused of, a write: one plugin a file. See `contracts.Admission`."""
