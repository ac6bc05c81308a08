"""The certificates of nodes: which requests are approved, and their signing. Nothing but a node is signed for."""
