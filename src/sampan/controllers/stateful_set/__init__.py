"""StatefulSets: Pods with names, numbers and volumes of their own, one after the other."""
