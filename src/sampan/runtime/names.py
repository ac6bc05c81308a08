"""Ids of sandboxes and containers: 64 hex digits, as everywhere in this trade."""

from __future__ import annotations

import secrets


def new_id() -> str:
    return secrets.token_hex(32)
