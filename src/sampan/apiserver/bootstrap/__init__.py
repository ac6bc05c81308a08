"""What is there before anybody asks: namespaces, RBAC, priority classes, flow control, the kubernetes Service."""
