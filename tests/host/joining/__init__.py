"""Machines that join."""
