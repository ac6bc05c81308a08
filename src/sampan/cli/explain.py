"""`explain`: the fields of a kind, from the server's own OpenAPI document."""

from __future__ import annotations

import re
import sys
import textwrap
from typing import Any

import msgspec

from sampan.api.scheme import ResourceInfo
from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError, PlainError
from sampan.cli.flags import Flag
from sampan.cli.session import Session
from sampan.client.resources import NoSuchKind, NoSuchResource

Schema = dict[str, Any]
WIDTH = 76


class Document:
    """One group version's schemas."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas

    def of_kind(self, info: ResourceInfo) -> Schema | None:
        wanted = {"group": info.group, "version": info.version, "kind": info.kind}
        for schema in self._schemas.values():
            if wanted in (schema.get("x-kubernetes-group-version-kind") or ()):
                return schema
        return None

    def resolve(self, schema: Schema) -> tuple[Schema, str]:
        """What a reference stands for, and its name (empty where it is none)."""
        reference = schema.get("$ref")
        if not reference and len(schema.get("allOf") or ()) == 1:
            reference = schema["allOf"][0].get("$ref")
        if not reference:
            return schema, ""
        name = reference.rpartition("/")[2]
        return self._schemas.get(name, {}), name.rpartition(".")[2]

    def child(self, schema: Schema, name: str) -> Schema | None:
        found: Schema | None = (self.inner(schema).get("properties") or {}).get(name)
        return found

    def inner(self, schema: Schema) -> Schema:
        """The schema whose fields are meant: of a list its items', of a map its values'."""
        while True:
            schema, _ = self.resolve(schema)
            if isinstance(schema.get("items"), dict):
                schema = schema["items"]
            elif isinstance(schema.get("additionalProperties"), dict) and not schema.get("properties"):
                schema = schema["additionalProperties"]
            else:
                return schema

    def type_name(self, schema: Schema) -> str:
        target, name = self.resolve(schema)
        kind = target.get("type")
        if kind == "array":
            return f"[]{self.type_name(target.get('items') or {})}"
        if name and kind in (None, "object"):
            return name
        if kind == "object" and isinstance(target.get("additionalProperties"), dict):
            return f"map[string]{self.type_name(target['additionalProperties'])}"
        return "Object" if kind in (None, "object") else str(kind)

    def description(self, schema: Schema) -> str:
        """The field's own words, then those of its type."""
        target = self.inner(schema)
        said = [one for one in (schema.get("description"), target.get("description")) if one]
        return "\n".join(dict.fromkeys(said))


def run(call: Invocation) -> int:
    flags, session = call.flags, call.session
    if not call.args:
        raise CliError(
            'You must specify the type of resource to explain. Use "kubectl api-resources" for a complete list of '
            "supported resources."
        )
    if len(call.args) > 1:
        raise CliError("We accept only this format: explain RESOURCE\n")
    word, *path = call.args[0].split(".")
    if flags["output"] not in ("plaintext", "plaintext-openapiv2"):
        raise CliError(f"unrecognized format: {flags['output']}")
    if not word:
        raise CliError("invalid jsonpath syntax, first node must be field node")
    info, path = _resource(session, word, [name for name in path if name], flags["api-version"])
    document = document_of(session, info)
    schema = document.of_kind(info)
    if schema is None:
        raise CliError(f'couldn\'t find resource for "{info.api_version}, Kind={info.kind}"')
    _head(info)
    for name in path:
        found = document.child(schema, name)
        if found is None:
            sys.stdout.flush()
            raise CliError(f'field "{name}" does not exist')
        schema = found
    sys.stdout.write(_explained(document, schema, path, recursive=flags["recursive"]))
    return 0


def _resource(session: Session, word: str, path: list[str], api_version: str) -> tuple[ResourceInfo, list[str]]:
    try:
        info = session.resolve(word)
    except NoSuchResource as error:
        raise PlainError(str(error)) from None
    if api_version:
        try:
            return session.resources.for_kind(api_version, info.kind), path
        except NoSuchKind:
            gvr = f"{api_version if '/' in api_version else f'/{api_version}'}, Resource={info.resource}"
            served = {row.api_version for row in session.resources.resources()}
            if api_version in served:
                raise CliError(f"GVR ({gvr}) not found in OpenAPI schema") from None
            raise CliError(f'couldn\'t find resource for "{gvr}"') from None
    # `deployments.apps.spec` and `deployments.v1.apps.spec` name the group too.
    for count in range(len(path), 0, -1):
        candidate = ".".join((word, *path[:count]))
        try:
            named = session.resources.resources().resolve(candidate)
        except NoSuchResource:
            continue
        return named, path[count:]
    return info, path


def document_of(session: Session, info: ResourceInfo) -> Document:
    index = msgspec.json.decode(session.client.raw("GET", "/openapi/v3").body)
    key = f"apis/{info.api_version}" if info.group else f"api/{info.version}"
    entry = (index.get("paths") or {}).get(key)
    if entry is None:
        raise CliError(f"the server has no OpenAPI document of {info.api_version}")
    path, _, query = entry["serverRelativeURL"].partition("?")
    from urllib.parse import parse_qsl

    body = session.client.raw("GET", path, query=dict(parse_qsl(query))).body
    return Document((msgspec.json.decode(body).get("components") or {}).get("schemas") or {})


def _head(info: ResourceInfo) -> None:
    group = f"GROUP:      {info.group}\n" if info.group else ""
    sys.stdout.write(f"{group}KIND:       {info.kind}\nVERSION:    {info.version}\n\n")


def _explained(document: Document, schema: Schema, path: list[str], *, recursive: bool) -> str:
    parts = []
    if path:
        parts.append(f"FIELD: {path[-1]} <{document.type_name(schema)}>\n")
        values = schema.get("enum") or document.inner(schema).get("enum")
        if values:
            parts.append("ENUM:\n" + "".join(f"    {value}\n" for value in values))
        parts.append("\n" if values else "\n\n")
    parts.append(f"DESCRIPTION:\n{_indented(document.description(schema) or '<empty>')}    \n")
    properties = document.inner(schema).get("properties")
    if properties:
        parts.append("FIELDS:\n")
        if recursive:
            parts.append(_tree(document, document.inner(schema), 1, ()))
        else:
            parts += [_field(document, document.inner(schema), name) for name in sorted(properties)]
    parts.append("\n")
    return "".join(parts)


def _line(document: Document, parent: Schema, name: str, level: int) -> str:
    schema = parent["properties"][name]
    required = " -required-" if name in (parent.get("required") or ()) else ""
    line = f"{'  ' * level}{name}\t<{document.type_name(schema)}>{required}\n"
    values = schema.get("enum")
    return f"{line}{'  ' * level}enum: {', '.join(map(str, values))}\n" if values else line


def _field(document: Document, parent: Schema, name: str) -> str:
    schema = parent["properties"][name]
    said = schema.get("description") or "<no description>"
    return f"{_line(document, parent, name, 1)}{_indented(said)}\n"


def _tree(document: Document, parent: Schema, level: int, above: tuple[int, ...]) -> str:
    lines = []
    for name in sorted(parent["properties"]):
        lines.append(_line(document, parent, name, level))
        inner = document.inner(parent["properties"][name])
        if inner.get("properties") and id(inner) not in above:
            lines.append(_tree(document, inner, level + 1, (*above, id(inner))))
    return "".join(lines)


def _indented(text: str) -> str:
    lines: list[str] = []
    for line in text.split("\n"):
        indent = re.match(r"\s*", line)
        assert indent is not None
        wrapped = textwrap.wrap(
            line.strip(),
            WIDTH,
            initial_indent=indent[0],
            break_long_words=False,
            break_on_hyphens=False,
        )
        lines += wrapped or [""]
    return "".join(f"    {line}\n" for line in lines)


COMMAND = Command(
    path="explain",
    run=run,
    flags=(
        Flag("recursive", "bool", usage="also the fields of the fields"),
        Flag("api-version", usage="group/version of the kind"),
        Flag("output", default="plaintext", usage="plaintext"),
    ),
    summary="The fields of a kind.",
    usage="TYPE[.FIELD …]",
    examples="sampan explain pods\nsampan explain pod.spec.containers\nsampan explain deploy --recursive",
)
