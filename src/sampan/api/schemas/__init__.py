"""Generated tables: what patches and apply need to know of each type. Read through `sampan.api.schema`."""
