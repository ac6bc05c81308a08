"""The rules of a schema (x-kubernetes-validations): compiled once, held against every object that is written.

A rule sees the value that it stands at as `self`, and what was there before as `oldSelf`; the latter only where old and
new can be told to be the same thing: not within lists without keys, nor within atomic maps. What was wrong before and
is not touched may stay.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from sampan.api.errors import FieldError
from sampan.api.goquote import quote
from sampan.apiserver.cel import schemas
from sampan.apiserver.cel.compiled import Compiled, compile_expression
from sampan.apiserver.cel.frame import PER_CALL, CostExceeded
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.types import Type, optional_of
from sampan.apiserver.cel.values import NONE, CelError, Optional

Schema = dict[str, Any]
RULES = "x-kubernetes-validations"
BUDGET = 10_000_000  # steps that all rules of an object may take
_MOST_MESSAGE = 5 * 1024
_REASONS = ("FieldValueRequired", "FieldValueForbidden", "FieldValueInvalid", "FieldValueDuplicate")
_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"


class Rule(Struct, frozen=True, kw_only=True):
    text: str
    compiled: Compiled
    message: str
    message_expression: Compiled | None
    reason: str
    field: str  # where the violation is shown, below the value
    optional_old: bool

    @property
    def uses_old(self) -> bool:
        return "oldSelf" in self.compiled.names

    @property
    def said(self) -> str:
        return self.message or self.text


class Rules(Struct, kw_only=True):
    """The rules at one place of a schema and below it."""

    schema: Schema
    root: bool
    own: list[Rule]
    items: Rules | None = None
    additional: Rules | None = None
    properties: dict[str, Rules]
    branches: list[Rules]

    @property
    def empty(self) -> bool:
        return not (self.own or self.items or self.additional or self.properties or self.branches)


def compile_rules(schema: Schema, *, root: bool = True) -> Rules | None:
    """None where no rule stands at or below it."""
    found = _compile(schema, schema, root=root)
    return None if found.empty else found


def _compile(schema: Schema, spine: Schema, *, root: bool) -> Rules:
    """`spine` describes the values; `schema` is it, or a branch of its allOf that says more."""
    root = root or bool(spine.get("x-kubernetes-embedded-resource"))
    own = []
    for stated in schema.get(RULES) or ():
        try:
            own.append(compile_rule(stated, spine, root=root))
        except CelSyntaxError:
            continue  # its definition was refused
    made = Rules(schema=spine, root=root, own=own, properties={}, branches=[])
    for attribute, key in (("items", "items"), ("additional", "additionalProperties")):
        inner, described = schema.get(key), spine.get(key)
        if isinstance(inner, dict) and isinstance(described, dict):
            below = _compile(inner, described, root=False)
            if not below.empty:
                setattr(made, attribute, below)
    for name, inner in (schema.get("properties") or {}).items():
        described = (spine.get("properties") or {}).get(name)
        if described is not None and not (below := _compile(inner, described, root=False)).empty:
            made.properties[name] = below
    for branch in schema.get("allOf") or ():
        below = _compile(branch, spine, root=root)
        if not below.empty:
            made.branches.append(below)
    return made


def compile_rule(stated: dict[str, Any], schema: Schema, *, root: bool) -> Rule:
    """Raises `CelSyntaxError`."""
    optional = bool(stated.get("optionalOldSelf"))
    names = variables(schema, root=root, optional_old=optional)
    expression = stated.get("messageExpression") or ""
    try:
        message_expression = compile_expression(expression, names) if expression.strip() else None
    except CelSyntaxError:
        message_expression = None
    return Rule(
        text=stated["rule"].strip(),
        compiled=compile_expression(stated["rule"], names),
        message=(stated.get("message") or "").strip(),
        message_expression=message_expression,
        reason=stated.get("reason") or "FieldValueInvalid",
        field=(stated.get("fieldPath") or "").strip(),
        optional_old=optional,
    )


def variables(schema: Schema, *, root: bool, optional_old: bool = False) -> dict[str, Type]:
    own = schemas.type_of(schema, root=root)
    if own is None:
        kind, keeps = schema.get("type") or "", bool(schema.get("x-kubernetes-preserve-unknown-fields"))
        told = f"'{kind}' x-kubernetes-preserve-unknown-fields: '{'true' if keeps else 'false'}'"
        raise CelSyntaxError(f"rule declared on schema that does not support validation rules type: {told}")
    return {"self": own, "oldSelf": optional_of(own) if optional_old else own}


# --- when an object is written ---


class _Spent(Exception):
    """No further rule is run."""


def broken_rules(rules: Rules, value: Any, old: Any = None) -> list[FieldError]:
    """What an object violates; `old` is what it replaces."""
    held = _Held()
    try:
        held.check(rules, "", value, old, unchanged=False)
    except _Spent:
        pass
    return held.errors


class _Held:
    def __init__(self) -> None:
        self.errors: list[FieldError] = []
        self.left = BUDGET

    def check(self, rules: Rules, path: str, value: Any, old: Any, *, unchanged: bool) -> None:
        if value is None:
            return
        if old is not None:
            unchanged = value == old
        if rules.own:
            self.own(rules, path, value, old, unchanged=unchanged)
        for branch in rules.branches:
            self.check(branch, path, value, old, unchanged=unchanged)
        if isinstance(value, list) and rules.items is not None:
            before = _by_key(old, rules.schema)
            for at, item in enumerate(value):
                was = before.get(_key(item, rules.schema)) if before else None
                self.check(rules.items, f"{path}[{at}]", item, was, unchanged=unchanged)
        if isinstance(value, dict):
            self.fields(rules, path, value, old, unchanged=unchanged)

    def fields(self, rules: Rules, path: str, value: dict[str, Any], old: Any, *, unchanged: bool) -> None:
        before = old if isinstance(old, dict) and rules.schema.get("x-kubernetes-map-type") != "atomic" else {}
        for key, item in value.items():
            if rules.additional is not None:
                self.check(rules.additional, f"{path}[{key}]", item, before.get(key), unchanged=unchanged)
            elif key in rules.properties:
                where = f"{path}.{key}" if path else key
                self.check(rules.properties[key], where, item, before.get(key), unchanged=unchanged)

    def own(self, rules: Rules, path: str, value: Any, old: Any, *, unchanged: bool) -> None:
        schema, where = rules.schema, path or "<nil>"
        kind = schema.get("type") or ""
        try:
            seen = schemas.value_of(value, schema, root=rules.root)
            was = schemas.value_of(old, schema, root=rules.root) if old is not None else None
        except CelError as error:
            self.invalid(where, kind, str(error))
            return
        for rule in rules.own:
            if rule.uses_old and old is None and not rule.optional_old:
                continue
            before: Any = was
            if rule.optional_old:
                before = Optional(True, was) if old is not None else NONE
            given = {"self": seen, "oldSelf": before}
            if self.holds(rule, where, kind, given) or (unchanged and not rule.uses_old):
                continue
            place = f"{path}.{rule.field.removeprefix('.')}" if path else rule.field.removeprefix(".")
            self.violated(rule, place if rule.field else where, kind, self.detail(rule, given))

    def holds(self, rule: Rule, where: str, kind: str, given: dict[str, Any]) -> bool:
        """Whether it does; an error is noted and counts as held."""
        if self.left <= 0:
            self.invalid(where, kind, _OUT_OF_BUDGET)
            raise _Spent
        program = rule.compiled.program
        try:
            return program.run(given, PER_CALL) is True
        except CostExceeded as error:
            said = f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: "
            self.invalid(where, kind, said + rule.said)
            raise _Spent from None
        except CelError as error:
            if str(error).startswith("no such overload"):
                said = f"'{error}': call arguments did not match a supported operator, function or macro signature"
                self.invalid(where, kind, f"{said} for rule: {rule.said}")
            else:
                self.invalid(where, kind, f"{error} evaluating rule: {rule.said}")
            return True
        finally:
            self.left -= program.cost

    def detail(self, rule: Rule, given: dict[str, Any]) -> str:
        """The rule's message: computed, given, or the rule itself."""
        if rule.message_expression is not None:
            try:
                found = rule.message_expression.program.run(given)
            except CelError:
                found = None
            text = found.strip() if isinstance(found, str) else ""
            if text and "\n" not in text and len(text.encode()) <= _MOST_MESSAGE:
                return text
        return rule.message or f"failed rule: {rule.text}"

    def violated(self, rule: Rule, where: str, kind: str, detail: str) -> None:
        match rule.reason:
            case "FieldValueForbidden":
                self.errors.append(FieldError("FieldValueForbidden", where, f"Forbidden: {detail}"))
            case "FieldValueRequired":
                self.errors.append(FieldError("FieldValueRequired", where, f"Required value: {detail}"))
            case "FieldValueDuplicate":
                self.errors.append(FieldError("FieldValueDuplicate", where, f"Duplicate value: {quote(kind)}"))
            case _:
                self.invalid(where, kind, detail)

    def invalid(self, where: str, kind: str, detail: str) -> None:
        self.errors.append(FieldError("FieldValueInvalid", where, f"Invalid value: {quote(kind)}: {detail}"))


def _key(item: Any, schema: Schema) -> tuple[Any, ...]:
    keys = schema.get("x-kubernetes-list-map-keys") or ()
    return tuple(item.get(k) for k in keys) if isinstance(item, dict) else ()


def _by_key(old: Any, schema: Schema) -> dict[tuple[Any, ...], Any]:
    """Items that can be told to be the same as new ones: only those of lists with keys."""
    if not isinstance(old, list) or schema.get("x-kubernetes-list-type") != "map":
        return {}
    return {_key(item, schema): item for item in old}
