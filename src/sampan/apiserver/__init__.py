"""The API server: the request path, the stored objects' rules, and what clients see of them."""
