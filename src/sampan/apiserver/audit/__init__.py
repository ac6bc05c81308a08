"""The audit log: who asked for what, when, and what came of it; a JSON event a line, as much of it as the policy says.

`policy.py` reads the policy and finds the rule for a request, `events.py` makes the events (both pure), `log.py` writes
them in a thread of its own, `auditor.py` is what the chain calls.
"""
