"""The kubelet's own HTTPS API: logs, exec, attach, port-forward, Pods and statistics, for the API server and scrapers."""
