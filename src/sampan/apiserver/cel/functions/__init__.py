"""The library: every function that an expression may call."""

from __future__ import annotations

import functools

from sampan.apiserver.cel.functions import addresses, authorizer, lists, quantities, standard, texts
from sampan.apiserver.cel.functions.registry import Library, call

__all__ = ["Library", "call", "library"]


@functools.cache
def library() -> Library:
    made = Library()
    for part in (standard, texts, lists, addresses, quantities, authorizer):
        part.add_to(made)
    return made
