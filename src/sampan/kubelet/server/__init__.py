"""The kubelet's own HTTPS API: logs, exec, attach, port-forward, Pods, statistics: for the API server and scrapers."""
