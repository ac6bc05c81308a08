"""Image references, with the grammar of Docker's `distribution/reference` and Kubernetes' words for what is wrong.

`nginx` means `docker.io/library/nginx:latest`; a first part with a dot, a colon, capitals, or that is `localhost`, is a
registry. A name with both a tag and a digest is fetched by the digest; the tag is then only a comment.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from sampan.runtime.errors import InvalidImageName

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
LOCAL_REGISTRY = "sampan.local"  # no registry: images that were built or loaded here, and nowhere else

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = rf"{_PART}(?:/{_PART})*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"

_REFERENCE = re.compile(rf"({_HOST})/({_PATH})(?::({_TAG}))?(?:@({_DIGEST}))?")
_HEX_ID = re.compile(r"[a-f0-9]{64}")
_ID = re.compile(r"(?:sha256:)?([a-f0-9]{64})")
_SHORT_ID = re.compile(r"(?:sha256:)?([a-f0-9]{4,64})")
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class BadReference(ValueError):
    """The text is no image reference; the message is the grammar's own, without the name."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A complete image name. Always has a tag or a digest."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        return f"{self.registry}/{self.repository}"

    @property
    def tagged(self) -> str:
        """`name:tag`, empty without a tag."""
        return f"{self.name}:{self.tag}" if self.tag else ""

    @property
    def target(self) -> str:
        """What the registry is asked for: the digest where there is one, else the tag."""
        return self.digest or self.tag

    @property
    def familiar(self) -> str:
        """The repository as people write it: `nginx`, not `docker.io/library/nginx`."""
        if self.registry != DEFAULT_REGISTRY:
            return self.name
        rest = self.repository.removeprefix("library/")
        return self.repository if "/" in rest else rest

    def with_digest(self, digest: str) -> str:
        return f"{self.name}@{digest}"

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """The reference that `text` means. Raises InvalidImageName in the kubelet's words."""
    try:
        return parse_reference(text)
    except BadReference as e:
        raise InvalidImageName(f"couldn't parse image name {json.dumps(text, ensure_ascii=False)}: {e}") from e


def parse_reference(text: str) -> Reference:
    if _HEX_ID.fullmatch(text):
        raise BadReference(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    registry, rest = _split_registry(text)
    repository = rest.partition(":")[0]
    if repository.lower() != repository:
        raise BadReference(f"invalid reference format: repository name ({repository}) must be lowercase")
    match = _REFERENCE.fullmatch(f"{registry}/{rest}")
    if match is None or match[1] != registry:
        raise BadReference("invalid reference format")
    if len(match[2]) > 255:
        raise BadReference(f"repository name must not be more than 255 characters: {match[2]}")
    tag, digest = match[3] or "", match[4] or ""
    if digest:
        check_digest(digest)
    return Reference(registry, match[2], tag or ("" if digest else DEFAULT_TAG), digest)


def check_digest(digest: str) -> str:
    """`digest` if it is one that can be checked; BadReference otherwise."""
    algorithm, _, value = digest.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if length is None:
        raise BadReference("unsupported digest algorithm")
    if len(value) != length:
        raise BadReference("invalid checksum digest length")
    if not re.fullmatch(r"[a-f0-9]+", value):
        raise BadReference("invalid checksum digest format")
    return digest


def image_id(text: str) -> str:
    """The full id `sha256:…` if the text is one (also without the prefix), else ""."""
    match = _ID.fullmatch(text)
    return f"sha256:{match[1]}" if match else ""


def short_id(text: str) -> str:
    """The beginning of an id, as people copy it from a list; "" if it cannot be one."""
    match = _SHORT_ID.fullmatch(text)
    return f"sha256:{match[1]}" if match else ""


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    if not slash:
        return DEFAULT_REGISTRY, f"library/{text}"
    if first == "index.docker.io":  # the Hub's first name
        first = DEFAULT_REGISTRY
    elif not (first == "localhost" or "." in first or ":" in first or first.lower() != first):
        return DEFAULT_REGISTRY, text
    if first == DEFAULT_REGISTRY and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest
