"""Manifests: `-f` files, folders, `-` and URLs; several documents in YAML or JSON; lists taken apart.

Reads as kubectl reads (YAML 1.1 words and numbers of its Go library, its errors), gives plain dicts.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from sampan.cli.errors import CliError
from sampan.cli.flags import Values

EXTENSIONS = (".json", ".yaml", ".yml")
STDIN = "STDIN"
KUSTOMIZED = "kustomize:"
"""Before the name of a folder that `-k` names."""
_SEPARATOR = re.compile(r"^---(?:[ \t]*(?:#.*)?$|(?=[ \t]))", re.MULTILINE)


class Document(NamedTuple):
    data: dict[str, Any]
    source: str


def from_flags(flags: Values, *, required: str = "must specify one of -f and -k") -> list[str]:
    """The names behind `-f` and `-k`; raises when there are none."""
    names: list[str] = flags["filename"]
    if not names and required:
        raise CliError(required)
    return names


def take_kustomize(flags: Values) -> None:
    """A folder of `-k` is one more thing that is read: verbs need not know."""
    folder = flags.get("kustomize")
    if not folder or "filename" not in flags:
        return
    if flags["filename"]:
        raise CliError("only one of -f or -k can be specified")
    flags.put("filename", [f"{KUSTOMIZED}{folder}"])


def read(names: Iterable[str], *, recursive: bool = False) -> Iterator[Document]:
    """Every object of the files in order; a file that is no good raises when its turn comes."""
    for name in names:
        if name.startswith(KUSTOMIZED):
            yield from _kustomized(name.removeprefix(KUSTOMIZED))
            continue
        if name == "-":
            yield from documents(sys.stdin.buffer.read() if hasattr(sys.stdin, "buffer") else sys.stdin.read(), STDIN)
        elif name.startswith(("http://", "https://")):
            yield from documents(_fetch(name), name)
        else:
            for path in _paths(name, recursive):
                try:
                    with open(path, "rb") as file:
                        content = file.read()
                except OSError as error:
                    raise CliError(f"open {path}: {(error.strerror or str(error)).lower()}") from None
                yield from documents(content, path)


def _kustomized(folder: str) -> Iterator[Document]:
    from sampan.cli.kustomize.build import build
    from sampan.cli.say import complain

    for data in build(folder, complain):
        yield Document(data, folder)


def documents(content: bytes | str, source: str, *, newer: bool = False) -> Iterator[Document]:
    """`newer`: words mean what YAML 1.2 says, as kustomize has it."""
    text = content if isinstance(content, str) else content.decode("utf-8", errors="surrogateescape")
    text = text.removeprefix("\ufeff")
    try:
        parsed = _json_stream(text) if text.lstrip().startswith("{") else _yaml_stream(text, newer=newer)
        for data in parsed:
            if data is None:
                continue
            if not isinstance(data, dict):
                raise CliError(
                    f'error validating "{source}": error validating data: invalid object to validate; if you choose to '
                    "ignore these errors, turn validation off with --validate=false"
                )
            yield Document(data, source)
    except YamlError as error:
        raise CliError(f"error parsing {source}: {error}") from None


def flattened(document: Document) -> Iterator[Document]:
    """The items of a List, else itself."""
    data = document.data
    if str(data.get("kind") or "").endswith("List") and isinstance(data.get("items"), list):
        api_version, kind = data.get("apiVersion"), data["kind"][: -len("List")]
        for item in data["items"]:
            if kind and "kind" not in item:  # a PodList's items need not repeat what they are
                item = {"apiVersion": api_version, "kind": kind} | item
            yield from flattened(Document(item, document.source))
        return
    yield document


class YamlError(ValueError):
    """What cannot be read, in the words of kubectl's libraries."""


def load_yaml(text: str, *, newer: bool = False) -> Any:
    """One document. Raises `YamlError`."""
    import yaml

    from sampan.cli.goyaml import LOADER, NEWER_LOADER
    from sampan.client.yaml_errors import words as yaml_words

    try:
        return yaml.load(text, Loader=NEWER_LOADER if newer else LOADER)  # noqa: S506 - a safe loader of our own
    except yaml.YAMLError as error:
        raise YamlError(f"error converting YAML to JSON: yaml: {yaml_words(error)}") from None


def _yaml_stream(text: str, *, newer: bool = False) -> Iterator[Any]:
    for part in _SEPARATOR.split(text):
        if part.strip():
            yield _json_in(part) if part.lstrip().startswith("{") else load_yaml(part, newer=newer)


def _json_in(text: str) -> Any:
    """A document that begins with a brace may be JSON or YAML in flow style."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return load_yaml(text)


def _json_stream(text: str) -> Iterator[Any]:
    try:
        yield msgspec.json.decode(text)
    except msgspec.DecodeError:
        import json

        decoder, at = json.JSONDecoder(), 0
        while at < len(text):
            if text[at] in " \t\r\n":
                at += 1
                continue
            try:
                data, at = decoder.raw_decode(text, at)
            except json.JSONDecodeError as error:
                # Not JSON after all: several YAML documents whose first is in flow style, or a mistake.
                try:
                    yield from [load_yaml(part) for part in _SEPARATOR.split(text[at:]) if part.strip()]
                except YamlError:
                    from sampan.cli.json_errors import words as json_words

                    raise YamlError(json_words(text, error)) from None
                return
            yield data


def _paths(name: str, recursive: bool) -> list[str]:
    if not os.path.exists(name):
        matches: list[str] = []
        if any(letter in name for letter in "*?["):
            from glob import glob

            matches = sorted(glob(name))
        if not matches:
            raise CliError(f'the path "{name}" does not exist')
        return [path for match in matches for path in _paths(match, recursive)]
    if not os.path.isdir(name):
        return [name]
    found: list[str] = []
    for folder, folders, files in os.walk(name):
        folders.sort()
        found += [os.path.join(folder, file) for file in files if file.endswith(EXTENSIONS)]
        if not recursive:
            break
    if not found:
        raise CliError(f"error reading [{name}]: recognized file extensions are [{' '.join(EXTENSIONS)}]")
    return sorted(found)


def _fetch(url: str) -> bytes:
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=60) as answer:  # noqa: S310 - http or https, asked for by name
            body: bytes = answer.read()
            return body
    except HTTPError as error:
        raise CliError(
            f"unable to read URL {url!r}, server reported {error.code} {error.reason}, status code={error.code}"
        ) from None
    except URLError as error:
        raise CliError(f"unable to read URL {url!r}: {error.reason}") from None
