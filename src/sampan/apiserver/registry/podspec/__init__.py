"""The rules of a Pod's spec, shared by Pods and everything that carries a Pod template."""
