"""Admission webhooks: others that are asked before something is written.

`call` asks one, `review` is what is asked and how its answer is read, `plugin` finds those that apply and asks them.
"""
