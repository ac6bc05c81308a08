"""Typed objects, one generated module per API group and version. Import the one you need: none imports all the others."""
