"""From the words that people type to resources: `po`, `pods`, `pod`, `Pod`, `deployments.apps`, `deployments.v1.apps`.

Where several groups have the same word, the one that the server lists first counts, and of its versions the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sampan.api.scheme import ResourceInfo


class NoSuchResource(Exception):
    """kubectl's own words."""

    def __init__(self, word: str) -> None:
        super().__init__(f'the server doesn\'t have a resource type "{word.partition(".")[0]}"')
        self.word = word


class NoSuchKind(Exception):
    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f'no matches for kind "{kind}" in version "{api_version}"')
        self.api_version, self.kind = api_version, kind


class Resources:
    def __init__(self, rows: Iterable[ResourceInfo]) -> None:
        self._rows = list(rows)

    def __iter__(self) -> Iterator[ResourceInfo]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def resolve(self, word: str) -> ResourceInfo:
        """Raises `NoSuchResource`."""
        for name, version, group in _readings(word):
            found = self._find(name, version, group)
            if found is not None:
                return found
        raise NoSuchResource(word)

    def for_kind(self, api_version: str, kind: str) -> ResourceInfo:
        """By the words of a manifest. Raises `NoSuchKind`."""
        for row in self._rows:
            if row.kind == kind and row.api_version == api_version:
                return row
        raise NoSuchKind(api_version, kind)

    def in_category(self, category: str) -> list[ResourceInfo]:
        """`all`: one version of each resource, in the server's order; empty when there is no such category."""
        chosen: dict[tuple[str, str], ResourceInfo] = {}
        for row in self._rows:
            if category in row.categories:
                chosen.setdefault((row.group, row.resource), row)
        return list(chosen.values())

    def preferred(self) -> list[ResourceInfo]:
        """One version of each resource."""
        chosen: dict[tuple[str, str], ResourceInfo] = {}
        for row in self._rows:
            chosen.setdefault((row.group, row.resource), row)
        return list(chosen.values())

    def _find(self, name: str, version: str | None, group: str | None) -> ResourceInfo | None:
        rows = [
            row
            for row in self._rows
            if (version is None or row.version == version) and (group is None or _in_group(row.group, group))
        ]
        lower = name.lower()
        # A full name goes before another resource's short name.
        for row in rows:
            if lower in (row.resource, row.singular, row.kind.lower()):
                return row
        for row in rows:
            if lower in row.short_names:
                return row
        return None


def _readings(word: str) -> list[tuple[str, str | None, str | None]]:
    """(name, version, group): `a.b.c` is version b of group c, or else group b.c."""
    name, dot, rest = word.partition(".")
    if not dot:
        return [(name, None, None)]
    found: list[tuple[str, str | None, str | None]] = []
    version, dot, group = rest.partition(".")
    if dot:
        found.append((name, version, group))
    found.append((name, None, rest))
    return found


def _in_group(group: str, asked: str) -> bool:
    """A group may be shortened from its end: `roles.rbac` is rbac.authorization.k8s.io."""
    return group == asked or (bool(asked) and group.startswith(f"{asked}."))
