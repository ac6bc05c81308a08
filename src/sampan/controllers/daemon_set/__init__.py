"""DaemonSets: one Pod on every node that will have it."""
