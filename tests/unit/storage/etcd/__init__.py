"""Sampan on a real etcd."""
