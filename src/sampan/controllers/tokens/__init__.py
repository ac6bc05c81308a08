"""Secrets that hold a ServiceAccount's token: filled when they are asked for, removed with their account."""
