"""An object on its way through kustomizations."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


class Resource:
    __slots__ = ("data", "hashed", "names")

    def __init__(self, data: Object, *, hashed: bool = False) -> None:
        self.data = data
        self.hashed = hashed
        """Its name shall end with the hash of its content."""
        self.names = [self.name]
        """All that it was called on its way, the first one first."""

    @property
    def kind(self) -> str:
        return str(self.data.get("kind") or "")

    @property
    def group(self) -> str:
        group, slash, _ = str(self.data.get("apiVersion") or "").rpartition("/")
        return group if slash else ""

    @property
    def metadata(self) -> Object:
        metadata = self.data.get("metadata")
        if not isinstance(metadata, dict):
            metadata = self.data["metadata"] = {}
        return metadata

    @property
    def name(self) -> str:
        return str(self.metadata.get("name") or "")

    @property
    def namespace(self) -> str:
        return str(self.metadata.get("namespace") or "")

    def rename(self, name: str) -> None:
        if name != self.name:
            self.metadata["name"] = name
            self.names.append(name)
