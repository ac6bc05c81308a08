"""How Kubernetes prints values inside its messages: Go's quoting and compact JSON."""

from typing import Any

import msgspec

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}


def quote(text: str) -> str:
    """A string as Go's %q prints it."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else _hex(c)) for c in text) + '"'


def _hex(char: str) -> str:
    point = ord(char)
    if point < 0x80:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def to_json(value: Any) -> str:
    """Compact JSON, as error messages show lists and objects."""
    return msgspec.json.encode(value).decode()


def go_value(value: Any) -> str:
    """A value as Go's %v prints it: `map[image:x]`, `[a b]`, `<nil>`."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{k}:{go_value(value[k])}" for k in sorted(value)) + "]"
    if isinstance(value, (list, tuple)):
        return "[" + " ".join(map(go_value, value)) + "]"
    if isinstance(value, float):
        return _float(value)
    return str(value)


def _float(value: float) -> str:
    """Shortest form; exponents outside 1e-4..1e21."""
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    mantissa, e, exponent = repr(value).partition("e")
    return f"{mantissa}e{exponent[0]}{int(exponent[1:]):02d}" if e else mantissa


def html_safe(json: str) -> str:
    """As Go's encoder writes JSON: what HTML could take for its own is escaped."""
    return json.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
