"""Prometheus' text format, for numbers that are read when somebody asks: no registry, nothing kept. Pure."""

from collections.abc import Mapping

Labels = Mapping[str, object]


class Exposition:
    def __init__(self) -> None:
        self._families: dict[str, list[str]] = {}

    def add(
        self, name: str, value: float, labels: Labels | None = None, *, kind: str = "gauge", at: int | None = None
    ) -> None:
        """`at`: nanoseconds, when the number was not read just now."""
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = [f"# TYPE {name} {kind}"]
        family.append(_sample(name, value, labels, at))

    def count(self, name: str, value: float, labels: Labels | None = None, *, at: int | None = None) -> None:
        self.add(name, value, labels, kind="counter", at=at)

    def histogram(self, name: str, buckets: Mapping[float, int], total: float, labels: Labels) -> None:
        """`buckets`: how many were up to each bound; the last is infinity."""
        family = self._families.setdefault(name, [f"# TYPE {name} histogram"])
        family += [_sample(f"{name}_bucket", n, {**labels, "le": _number(b)}, None) for b, n in buckets.items()]
        family.append(_sample(f"{name}_sum", total, labels, None))
        family.append(_sample(f"{name}_count", max(buckets.values(), default=0), labels, None))

    def __str__(self) -> str:
        return "".join("\n".join(family) + "\n" for family in self._families.values())


def _sample(name: str, value: float, labels: Labels | None, at: int | None) -> str:
    named = ",".join(f'{key}="{_escaped(str(given))}"' for key, given in (labels or {}).items())
    when = f" {at // 1_000_000}" if at is not None else ""
    return f"{name}{{{named}}} {_number(value)}{when}" if named else f"{name} {_number(value)}{when}"


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
