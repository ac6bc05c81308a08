"""kubectl in Python: one file a verb, `printers/` for what they show. Works against any Kubernetes."""
