"""Per-kind behaviour: what one kind defaults, checks, allows to change and prints. Pure: no I/O, no clock, no store.

`strategy.py` is the contract, `<group>/<kind>.py` a kind. Admission (who may, how much) is not for this room.
"""
