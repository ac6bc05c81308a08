"""Types that are known before an expression runs. `dyn` fits everywhere; a name without parameters is itself."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field


class Type(Struct, frozen=True, kw_only=True, eq=False):
    """An object has fields; `list`, `map`, `optional_type` and `type` have parameters; a `param` is any one type.

    `most`: elements (or characters) of a value at most, where a schema says so.
    """

    name: str
    parameters: tuple[Type, ...] = ()
    fields: Mapping[str, Type] = field(default_factory=dict)
    most: int | None = None

    def __str__(self) -> str:
        if self.name == "type":
            return f"type({self.parameters[0]})" if self.parameters else "type"
        if self.parameters:
            return f"{self.name}({', '.join(map(str, self.parameters))})"
        return self.name

    @property
    def item(self) -> Type:
        return self.parameters[-1] if self.parameters else DYN


DYN = Type(name="dyn")
BOOL = Type(name="bool")
INT = Type(name="int")
UINT = Type(name="uint")
DOUBLE = Type(name="double")
STRING = Type(name="string")
BYTES = Type(name="bytes")
NULL = Type(name="null")
TIMESTAMP = Type(name="google.protobuf.Timestamp")
DURATION = Type(name="google.protobuf.Duration")
TYPE = Type(name="type")
URL = Type(name="kubernetes.URL")
IP = Type(name="net.IP")
CIDR = Type(name="net.CIDR")
QUANTITY = Type(name="kubernetes.Quantity")
SEMVER = Type(name="kubernetes.Semver")
FORMAT = Type(name="kubernetes.NamedFormat")
AUTHORIZER = Type(name="kubernetes.authorization.Authorizer")
PATH_CHECK = Type(name="kubernetes.authorization.PathCheck")
GROUP_CHECK = Type(name="kubernetes.authorization.GroupCheck")
RESOURCE_CHECK = Type(name="kubernetes.authorization.ResourceCheck")
DECISION = Type(name="kubernetes.authorization.Decision")
LITERALS = {
    "bool": BOOL, "int": INT, "uint": UINT, "double": DOUBLE, "string": STRING, "bytes": BYTES, "null_type": NULL,
}  # fmt: skip


def list_of(item: Type) -> Type:
    return Type(name="list", parameters=(item,))


def map_of(key: Type, value: Type) -> Type:
    return Type(name="map", parameters=(key, value))


def optional_of(value: Type) -> Type:
    return Type(name="optional_type", parameters=(value,))


def param(name: str) -> Type:
    """A place for one type, the same wherever the name stands in a signature."""
    return Type(name=f"<{name}>")


def same(left: Type, right: Type) -> bool:
    """Whether one may stand for the other."""
    if left.name == "dyn" or right.name == "dyn":
        return True
    if left is right:
        return True
    if left.fields or right.fields:
        return left.name == right.name and left.fields is right.fields
    if left.name != right.name or len(left.parameters) != len(right.parameters):
        return False
    return all(same(a, b) for a, b in zip(left.parameters, right.parameters, strict=True))


def bind(wanted: Type, given: Type, bound: dict[str, Type]) -> bool:
    """Whether an argument fits a signature's place; `bound` learns what its parameters are."""
    if wanted.name.startswith("<"):
        known = bound.get(wanted.name)
        if known is None or known.name == "dyn":
            bound[wanted.name] = given
            return True
        return same(known, given) or (known.name == "null" or given.name == "null")
    if wanted.parameters and given.name == wanted.name and len(given.parameters) == len(wanted.parameters):
        return all(bind(w, g, bound) for w, g in zip(wanted.parameters, given.parameters, strict=True))
    if wanted.name == "map" and given.fields:
        return False
    return same(wanted, given)


def fill(wanted: Type, bound: dict[str, Type]) -> Type:
    """A signature's result with what its parameters are."""
    if wanted.name.startswith("<"):
        return bound.get(wanted.name, DYN)
    if wanted.parameters:
        return Type(name=wanted.name, parameters=tuple(fill(p, bound) for p in wanted.parameters))
    return wanted
