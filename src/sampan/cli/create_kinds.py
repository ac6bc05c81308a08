"""`create KIND …`: which module has which kind's command. Imported by `sampan.cli.create`; nothing else is imported."""

TABLE: dict[str, str] = {}
"""Word → `module:ATTRIBUTE` of a Command."""

ALIASES: dict[str, str] = {}
"""`deploy` → `deployment`."""
