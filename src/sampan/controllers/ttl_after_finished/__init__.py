"""Finished Jobs are removed when their time is over."""
