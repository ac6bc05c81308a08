"""What label, annotate, patch and their like share: find the objects, change each, gather what fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from sampan.api.errors import ApiError
from sampan.cli.command import ALL_NAMESPACES, FIELD_SELECTOR, FILES, SELECTOR, Invocation
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.resources import Found, as_found, found, from_files, targets

NOTHING = """You must provide one or more resources by argument or filename.
Example resource specifications include:
   '-f rsrc.yaml'
   '--filename=rsrc.json'
   '<resource> <name>'
   '<resource>'"""

CHOOSING = (
    *FILES,
    SELECTOR,
    FIELD_SELECTOR,
    ALL_NAMESPACES,
    Flag("all", "bool", usage="all of the type"),
)


def chosen(
    call: Invocation,
    words: list[str],
    errors: list[Exception],
    *,
    local: bool = False,
    every: bool = False,
    selects: bool = True,
) -> Iterator[Found]:
    """The objects that the words and flags name, as the server has them (`local`: as the files say).

    `every`: a type alone means all of its objects. `selects`: --selector is about them, and nothing else.
    """
    flags, session = call.flags, call.session
    if flags.get("filename"):
        for one in from_files(session, flags["filename"], recursive=flags["recursive"], errors=errors):
            if local:
                yield one
                continue
            try:
                data = session.client.of(one.info).get(one.name, namespace=one.namespace)
            except ApiError as error:
                errors.append(error)
                continue
            yield as_found(one.info, data, one.source)
        return
    if not words:
        raise CliError(NOTHING)
    every = every or bool(flags.get("all"))
    selector = flags.get("selector") or "" if selects else ""
    field_selector = flags.get("field-selector") or ""
    if every and selector:
        raise CliError("setting 'all' parameter but found a non empty selector. ")
    wanted = targets(session, words, allow_empty=every or bool(selector or field_selector))
    if selector and any(target.name for target in wanted):
        raise CliError("name cannot be provided when a selector is specified")
    yield from found(
        session,
        wanted,
        errors,
        selector=selector,
        field_selector=field_selector,
        all_namespaces=bool(flags.get("all-namespaces")),
    )


def each(call: Invocation, words: list[str], do: Callable[[Found], None], *, local: bool = False) -> int:
    """Do it to every one; what fails is told at the end. Gives how many there were."""
    errors: list[Exception] = []
    count = 0
    for one in chosen(call, words, errors, local=local):
        count += 1
        try:
            do(one)
        except (ApiError, CliError) as error:
            errors.append(error)
    raise_all(errors)
    return count
