"""Objects of kinds that nobody wrote a describer for: their fields, in order, with words made of the names."""

from __future__ import annotations

import re
from typing import Any

from sampan.cli.describe.text import Object, Text, events, header
from sampan.cli.printers.table import go_text

ACRONYMS = frozenset(("API", "URL", "UID", "OSB", "GUID"))
_SKIPPED = {"managedFields", "name", "namespace", "labels", "annotations", "selfLink"}


def generic(text: Text, obj: Object, listed: list[Object] | None) -> None:
    header(text, obj)
    shown = {key: value for key, value in obj.items() if key != "metadata"}
    metadata = {key: value for key, value in (obj.get("metadata") or {}).items() if key not in _SKIPPED}
    _fields(text, shown | {"metadata": metadata}, 0)
    events(text, listed)


def _fields(text: Text, data: dict[str, Any], level: int) -> None:
    for key in sorted(data):
        value, title = data[key], label(key)
        if isinstance(value, dict):
            text.line(f"{title}:", level)
            _fields(text, value, level + 1)
        elif isinstance(value, list):
            text.line(f"{title}:", level)
            for item in value:
                if isinstance(item, dict):
                    _fields(text, item, level + 1)
                else:
                    text.line(go_text(item), level + 1)
        else:
            text.field(title, go_text(value), level)


def label(field: str) -> str:
    """`lastTransitionTime` → `Last Transition Time`; a name with digits in it stays as it is."""
    if not re.fullmatch(r"[^\W\d_]*(?:-[^\W\d_]*)*", field):
        return field
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|-", field)
    return " ".join(word.upper() if word.upper() in ACRONYMS else word[:1].upper() + word[1:] for word in words)
