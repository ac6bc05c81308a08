"""Admission webhooks: other programs that are asked before something is written, and may change it or refuse.

`hooks.py`: which are asked about a write, in order; `review.py`: the question and what an answer means (pure);
`plugin.py`: the asking.
"""
