"""/openapi/v2 and /openapi/v3, made when asked for from the definitions that the kubernetes-validate package carries.

definitions.py   the schemas, with their descriptions, as OpenAPI says them
operations.py    the paths and what can be done there
documents.py     whole documents, their hashes, and the routes
"""
