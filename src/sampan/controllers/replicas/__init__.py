"""ReplicaSets and ReplicationControllers: a number of Pods of one kind, no more and no less."""
