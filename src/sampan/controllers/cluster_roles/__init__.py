"""ClusterRoles that are gathered from others by label."""
