"""Static Pods: files of the manifest directory that run without an API server, and their mirrors in the API."""
