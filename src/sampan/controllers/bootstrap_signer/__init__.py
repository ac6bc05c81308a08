"""Signs `cluster-info` for machines that join with a bootstrap token."""
