"""Pod address ranges for Nodes."""
