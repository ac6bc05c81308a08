"""Which objects a command line means: `pods a b`, `pods/a svc/b`, `po,svc -l app=x`, `all --all`, or what files say.

`targets` reads the words, `found` fetches what they name, `from_files` joins manifests with the server's resources.
Several errors are gathered: the rest is still done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sampan.api.errors import ApiError
from sampan.api.scheme import ResourceInfo
from sampan.cli.errors import CliError, UsageError
from sampan.cli.files import Document, flattened, read
from sampan.cli.session import Session
from sampan.client.calls import ListOptions
from sampan.client.resources import NoSuchKind

TWICE = (
    "there is no need to specify a resource type as a separate argument when passing arguments in resource/name form "
    "(e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'"
)
NO_MATCH_HINT = "ensure CRDs are installed first"


class Target(NamedTuple):
    """One thing to look for: an object by name, or with no name all of the resource."""

    info: ResourceInfo
    name: str = ""


class Found(NamedTuple):
    """An object; `data` is as the server has it, or as a file says it."""

    info: ResourceInfo
    namespace: str
    name: str
    data: dict[str, Any]
    source: str = ""

    @property
    def shown(self) -> str:
        """`deployment.apps/web`."""
        return f"{shown_kind(self.info)}/{self.name}"


def shown_kind(info: ResourceInfo) -> str:
    """`deployment.apps`, `pod`."""
    kind = info.kind.lower()
    return f"{kind}.{info.group}" if info.group else kind


def targets(session: Session, args: list[str], *, allow_empty: bool = False) -> list[Target]:
    """`allow_empty`: a type alone means all of them (`get pods`); also given when a selector or --all is."""
    if not args:
        return []
    if any("/" in word for word in args):
        return [_typed_name(session, word, args) for word in args]
    infos = types(session, args[0])
    if len(args) > 1:
        return [Target(info, name) for info in infos for name in args[1:]]
    if not allow_empty:
        raise CliError("resource(s) were provided, but no name was specified")
    return [Target(info) for info in infos]


def types(session: Session, words: str) -> list[ResourceInfo]:
    """`po,svc`, `all`."""
    infos: list[ResourceInfo] = []
    for word in words.split(","):
        if word == "all" or word in _categories(session):
            infos += session.resources.resources().in_category(word)
        else:
            infos.append(session.resolve(word))
    return list(dict.fromkeys(infos))


def _categories(session: Session) -> set[str]:
    return {category for info in session.resources.resources() for category in info.categories}


def _typed_name(session: Session, word: str, args: list[str]) -> Target:
    parts = word.split("/")
    if len(parts) == 1 and len(args) > 0:
        raise CliError(TWICE)
    if len(parts) != 2:
        raise CliError("arguments in resource/name form may not have more than one slash")
    kind, name = parts
    if not kind or not name:
        raise CliError("arguments in resource/name form must have a single resource and name")
    infos = types(session, kind)
    if len(infos) != 1:
        raise CliError(f"arguments in resource/name form must have a single resource and name: {word}")
    return Target(infos[0], name)


def found(
    session: Session,
    wanted: Iterable[Target],
    errors: list[Exception],
    *,
    selector: str = "",
    field_selector: str = "",
    all_namespaces: bool = False,
    ignore_missing: bool = False,
) -> Iterator[Found]:
    """The objects, as they come. What fails is put into `errors`, and the rest goes on."""
    from sampan.api.errors import NotFound

    for info, name in wanted:
        where = "" if all_namespaces else session.where(info)
        try:
            if name:
                if all_namespaces and info.namespaced:
                    raise CliError("a resource cannot be retrieved by name across all namespaces")
                try:
                    data = session.client.of(info).get(name, namespace=where)
                except NotFound as error:
                    raise missing(session, error, where) from None
                yield as_found(info, data)
                continue
            options = ListOptions(label_selector=selector, field_selector=field_selector)
            for page in session.client.of(info).list_pages(options, namespace=where):
                for data in page.items:
                    yield as_found(info, data)
        except NotFound as error:
            if not ignore_missing:
                errors.append(error)
        except ApiError as error:
            errors.append(explained(error, info, selector, field_selector) if not name else error)


def missing(session: Session, error: ApiError, namespace: str) -> ApiError:
    """What is not there, or the namespace where it was looked for when that is not there either."""
    from sampan.api.errors import NotFound

    if namespace in ("", "default"):
        return error
    try:
        session.client.raw("GET", f"/api/v1/namespaces/{namespace}")
    except NotFound as other:
        return other
    except ApiError:
        pass  # who may not look at namespaces is told of the object
    return error


def explained(error: ApiError, info: ResourceInfo, selector: str, field_selector: str) -> ApiError:
    """A refused selector says which resource and which selector."""
    if error.http_code == 400 and (selector or field_selector):
        gvr = f"{info.group}/{info.version}, Resource={info.resource}"
        error.message = (
            f'Unable to find "{gvr}" that match label selector "{selector}", field selector "{field_selector}": '
            f"{error.message}"
        )
    return error


def as_found(info: ResourceInfo, data: dict[str, Any], source: str = "") -> Found:
    metadata = data.get("metadata") or {}
    return Found(info, metadata.get("namespace") or "", metadata.get("name") or "", data, source)


def from_files(
    session: Session,
    names: Iterable[str],
    *,
    recursive: bool = False,
    validate: bool = False,
    errors: list[Exception] | None = None,
) -> Iterator[Found]:
    """Manifests, each with its resource and its namespace filled in; `data` is the file's own.

    With `errors` a manifest that is no good is put there and the others go on; without, it raises.
    """
    for document in read(names, recursive=recursive):
        try:
            if validate:
                check_header(document)
            for one in flattened(document):
                yield mapped(session, one)
        except CliError as error:
            if errors is None:
                raise
            errors.append(error)


def check_header(document: Document) -> None:
    missing = [f"{field} not set" for field in ("apiVersion", "kind") if not document.data.get(field)]
    if missing:
        said = missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"
        raise CliError(
            f'error validating "{document.source}": error validating data: {said}; if you choose to ignore these '
            "errors, turn validation off with --validate=false"
        )


def mapped(session: Session, document: Document) -> Found:
    """The manifest's resource. Raises `CliError`."""
    data, source = document
    kind, api_version = data.get("kind"), data.get("apiVersion")
    if not kind or not isinstance(kind, str):
        from sampan.cli.printers.json import compact

        raise CliError(f"unable to decode \"{source}\": Object 'Kind' is missing in '{compact(data)}'")
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    _check_metadata(metadata, source)
    name, namespace = metadata.get("name") or "", metadata.get("namespace") or ""
    try:
        info = session.resources.for_kind(str(api_version or "v1"), kind)
    except NoSuchKind as error:
        raise CliError(
            f'resource mapping not found for name: "{name}" namespace: "{namespace}" from "{source}": {error}\n'
            f"{NO_MATCH_HINT}"
        ) from None
    return Found(info, _namespace(session, info, namespace), name, data, source)


def _check_metadata(metadata: dict[str, Any], source: str) -> None:
    """What we must read ourselves has to be of the right type; the rest is the server's to check."""
    for field in ("name", "namespace", "generateName"):
        value = metadata.get(field)
        if value is not None and not isinstance(value, str):
            kind = "bool" if isinstance(value, bool) else "number" if isinstance(value, (int, float)) else "object"
            kind = "array" if isinstance(value, list) else kind
            raise CliError(
                f'unable to decode "{source}": json: cannot unmarshal {kind} into Go struct field '
                f"ObjectMeta.metadata.{field} of type string"
            )


def _namespace(session: Session, info: ResourceInfo, said: str) -> str:
    if not info.namespaced:
        return ""
    if said and session.enforce_namespace and said != session.namespace:
        raise CliError(
            f'the namespace from the provided object "{said}" does not match the namespace "{session.namespace}". '
            f"You must pass '--namespace={said}' to perform this operation."
        )
    return said or session.namespace


def one_target(session: Session, args: list[str], default: str = "pods") -> Target:
    """`NAME` or `TYPE/NAME` (also `TYPE NAME`): for exec, logs, port-forward."""
    if len(args) == 1 and "/" not in args[0]:
        return Target(session.resolve(default), args[0])
    found_targets = targets(session, args)
    if len(found_targets) != 1:
        raise UsageError("one resource is wanted")
    return found_targets[0]
