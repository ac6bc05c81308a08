"""What can go wrong on the command line, and the words and exit codes for it: kubectl's.

    CliError            `error: TEXT`, exit code 1
    ├── FlagError       a flag that cannot be read; the hint at `--help` is added
    ├── UsageError      arguments that make no sense; the hint at `-h` is added
    └── PlainError      printed as it is
    Aggregate           several at once, each in its own words
    Exit                an exit code and nothing to say

API errors (`sampan.api.errors`), `KubeconfigError` and `TransportError` are worded here too. Verbs raise, `main` says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what went right needs no words for what went wrong
    from sampan.api.errors import ApiError, Invalid
    from sampan.client.transport import TransportError


class CliError(Exception):
    def __init__(self, text: str, *, code: int = 1) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


class FlagError(CliError):
    pass


class UsageError(CliError):
    pass


class PlainError(CliError):
    pass


class Exit(Exception):
    def __init__(self, code: int = 1) -> None:
        super().__init__(code)
        self.code = code


class Aggregate(Exception):
    def __init__(self, errors: Iterable[Exception]) -> None:
        super().__init__()
        self.errors: list[Exception] = []
        for error in errors:
            self.errors += error.errors if isinstance(error, Aggregate) else [error]


def raise_all(errors: Sequence[Exception]) -> None:
    """None, the one, or all of them."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise Aggregate(errors)


def code_of(error: Exception) -> int:
    return error.code if isinstance(error, CliError) else 1


def in_source(error: ApiError, doing: str, source: str) -> ApiError:
    """The same error, which says of which file it is: `error when creating "pod.yaml": …`."""
    if source:
        error.message = f'error when {doing} "{source}": {error.message}'
    return error


def with_prefix(error: ApiError, prefix: str) -> ApiError:
    error.message = f"{prefix}{error.message}"
    return error


def words(error: Exception, command: str = "kubectl") -> str:
    """All that is printed on stderr for it."""
    from sampan.api.errors import Invalid
    from sampan.client.kubeconfig_files import KubeconfigError

    if isinstance(error, Invalid) and type(error) is Invalid:
        return _invalid(error)
    if isinstance(error, KubeconfigError):
        return error.text
    if isinstance(error, Aggregate):
        return "\n".join(plain_words(one) for one in error.errors)
    if isinstance(error, PlainError):
        return error.text
    if isinstance(error, FlagError):
        return f"error: {error.text}\nSee '{command} --help' for usage."
    if isinstance(error, UsageError):
        return f"error: {error.text}\nSee '{command} -h' for help and examples"
    known = _known(error)
    if known is not None:
        return known
    text = error.text if isinstance(error, CliError) else str(error)
    return text if text.startswith("error: ") else f"error: {text}"


def plain_words(error: Exception) -> str:
    """One of several: as `words`, but what is nobody's special error gets no `error: ` before it."""
    return _known(error) or (error.text if isinstance(error, CliError) else str(error))


def _known(error: Exception) -> str | None:
    from sampan.api.errors import ApiError, Unauthorized
    from sampan.client.transport import TransportError

    if isinstance(error, Unauthorized):
        return f"error: You must be logged in to the server ({error.message})"
    if isinstance(error, ApiError):
        reason = f" ({error.status_reason})" if error.status_reason else ""
        return f"Error from server{reason}: {error.message}"
    if isinstance(error, TransportError):
        return _unreachable(error)
    return None


NOWHERE = "localhost:8080"  # where kubectl looks when it is told nothing


def _unreachable(error: TransportError) -> str:
    from sampan.client.transport import ConnectionRefused

    said = str(error)
    if isinstance(error, ConnectionRefused):
        host = (error.server or "").split("://", 1)[-1].split("/", 1)[0]
        refused = f"The connection to the server {host} was refused - did you specify the right host or port?"
        if host == NOWHERE:
            refused += "\n(No kubeconfig names a cluster. To have one: sampan up)"
        return refused
    return f"Unable to connect to the server: {said}"


def _invalid(error: Invalid) -> str:
    said = "The request is invalid"
    if error.kind or error.name:
        said = f'The {error.kind or ""} "{error.name or ""}" is invalid'
    elif error.message and not error.causes:
        said += f": {error.message}"
    listed = list(dict.fromkeys(f"{cause.field or ''}: {cause.message or ''}" for cause in error.causes))
    if not listed:
        return said
    if len(listed) == 1:
        return f"{said}: {listed[0]}"
    return "\n".join((f"{said}: ", *(f"* {one}" for one in listed)))
