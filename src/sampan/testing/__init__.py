"""The pytest plugin: a real cluster for a test-suite."""
