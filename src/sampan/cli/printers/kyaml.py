"""`-o kyaml`: YAML in flow style, every string in quotes, so that nothing can be taken for something else."""

from __future__ import annotations

import re
from typing import Any

from sampan.cli.goyaml import NATURAL, value_of

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")


def dump(data: Any) -> str:
    return f"---\n{_value(data, 0)}\n"


def _value(data: Any, level: int) -> str:
    inner, outer = "  " * (level + 1), "  " * level
    if isinstance(data, dict):
        if not data:
            return "{}"
        lines = [f"{inner}{_key(key)}: {_value(data[key], level + 1)},\n" for key in sorted(data, key=NATURAL)]
        return "{\n" + "".join(lines) + outer + "}"
    if isinstance(data, list):
        if not data:
            return "[]"
        if all(isinstance(item, (dict, list)) and item for item in data):
            return f"[{', '.join(_value(item, level) for item in data)}]"
        return "[\n" + "".join(f"{inner}{_value(item, level + 1)},\n" for item in data) + outer + "]"
    if isinstance(data, str):
        return _quoted(data, level)
    if data is None:
        return "null"
    return str(data).lower() if isinstance(data, bool) else str(data)


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) and isinstance(value_of(key), str) else _quoted(key, 0)


def _quoted(text: str, level: int) -> str:
    from sampan.cli.printers.json import compact

    quoted = compact(text).replace("\\u003c", "<").replace("\\u003e", ">").replace("\\u0026", "&")
    if "\n" not in text.strip("\n"):
        return quoted
    # Several lines are shown as several, each but the last ended by an escaped line break.
    parts = quoted[1:-1].split("\\n")
    indent = "  " * (level + 1)
    joined = "\\n\\\n".join(f"{indent}{' ' if not part.startswith(' ') else chr(92)}{part}" for part in parts)
    return f'"\\\n{joined}\\\n{indent}"'
