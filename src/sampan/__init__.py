"""Sampan: Kubernetes for one small crew. Each subpackage is a room; `docs/tour.md` walks through them."""
