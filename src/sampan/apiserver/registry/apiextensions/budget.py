"""What the rules of a definition may cost together, and each alone, before one of them has run."""

from __future__ import annotations

from sampan.api.types.apiextensions_v1 import JSONSchemaProps
from sampan.apiserver.cel.bounds import most_values
from sampan.apiserver.cel.cost import ENDLESS
from sampan.apiserver.registry.field import Errors

EACH = 10_000_000
ALL = 100_000_000
_NAMED = 4  # of the dearest expressions are named when all together are too dear
_HELP = "try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are"


class Budget:
    """Of one schema. `kept`: it is the schema that is in force already, so no rule of it is refused alone."""

    def __init__(self, *, kept: bool = False) -> None:
        self.kept = kept
        self.total = 0
        self.dear: list[tuple[int, str]] = []

    def charge(self, path: str, what: str, cost: int, times: int, errors: Errors) -> None:
        """`times`: how many values in one object the expression stands at."""
        whole = min(cost * times, ENDLESS)
        if whole > EACH and not self.kept:
            errors.forbidden(path, _said(what, whole, EACH))
        self.total = min(self.total + whole, ENDLESS)
        if whole >= ALL // 100:
            self.dear.append((whole, path))

    def close(self, path: str, errors: Errors) -> None:
        if self.total <= ALL or self.kept:
            return
        for _, where in sorted(self.dear, key=lambda d: -d[0])[:_NAMED]:
            total = "estimated rule & messageExpression cost total"
            errors.forbidden(where, f"contributed to {total} exceeding cost limit for entire OpenAPIv3 schema")
        what = "x-kubernetes-validations estimated rule & messageExpression cost total for entire OpenAPIv3 schema"
        errors.forbidden(path, _said(what, self.total, ALL))


def times_within(schema: JSONSchemaProps, times: int | None) -> int | None:
    """How often the values inside of a schema are there when itself is there `times`; None: nothing limits it."""
    most: int | None = 1
    if schema.type == "array":
        most = schema.maxItems
    elif schema.type == "object" and isinstance(schema.additionalProperties, dict | JSONSchemaProps):
        most = schema.maxProperties
    return None if most is None or times is None else min(times * max(most, 0), ENDLESS)


def times_at(plain: dict[str, object], times: int | None) -> int:
    return most_values(plain) if times is None else times


def _said(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    times = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {times} ({_HELP} declared)"
