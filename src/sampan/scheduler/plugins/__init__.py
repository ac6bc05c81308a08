"""One plugin a file, with Kubernetes' names. A filter answers a `Refusal` or nothing; a score answers 0 to 100."""
