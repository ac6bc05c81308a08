"""PodDisruptionBudgets: how many Pods may go just now. Evictions spend what is counted here."""
