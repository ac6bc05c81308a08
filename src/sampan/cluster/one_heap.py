"""Keeps what a long-lived process once used for many short works from staying with each of its threads.

glibc gives every thread a heap of its own, and what one thread has freed no other gets: an agent that has made and
removed thousands of Pods in half a dozen threads would hold several times of what it needs. Python runs one thread at a
time, so they have nothing to lose by sharing one heap.
"""

import contextlib
import ctypes

M_ARENA_MAX = -8


def share_one_heap() -> None:
    """From now on; before any thread is started. Other C libraries than glibc have one heap anyway."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
