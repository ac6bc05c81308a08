"""One verb a file. Nothing here knows a kind: what is a kind's own stands in its strategy."""
