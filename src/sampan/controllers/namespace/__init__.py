"""The end of a namespace: its content goes first, Pods before all else, and it says what it waits for."""
