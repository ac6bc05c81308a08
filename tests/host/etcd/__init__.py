"""A whole cluster whose objects are in etcd."""
