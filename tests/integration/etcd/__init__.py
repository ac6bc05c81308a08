"""Sampan on etcd, with faults."""
