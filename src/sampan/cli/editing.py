"""Objects in an editor, again and again until they are accepted, unchanged or given up: the loop behind `edit`,
`create --edit` and `apply edit-last-applied`, which differ in what is done with each edited object.

What the editor saved stays in its file whenever it could not be used, and the user is told where.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sampan.api.errors import ApiError, Invalid, NotFound
from sampan.cli.command import Invocation
from sampan.cli.editor import Saved, forget, launch
from sampan.cli.errors import CliError, Exit, PlainError, words
from sampan.cli.files import YamlError, documents, flattened, load_yaml
from sampan.cli.resources import Found, mapped
from sampan.cli.say import complain
from sampan.client.resources import NoSuchKind

Object = dict[str, Any]
HEAD = (
    "Please edit the object below. Lines beginning with a '#' will be ignored,",
    "and an empty file will abort the edit. If an error occurs while saving this file will be",
    "reopened with the relevant failures.",
    "",
)
NO_VALID_CHANGES = "Edit cancelled, no valid changes were saved."


class Purpose(NamedTuple):
    send: Callable[[Found, Object, Object], None]
    """Does something with (what is there, as it was shown, as it was edited). What it raises is told and retried."""
    head: tuple[str, ...] = HEAD
    retries: bool = True
    """Whether what the server refuses comes back into the editor; otherwise its error ends it."""


class Refusal(NamedTuple):
    """Why the file comes back."""

    head: str
    causes: tuple[str, ...] = ()


class _Tally:
    """What became of the objects of one pass through the editor."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.gone = 0
        self.failed = 0

    def add(self, error: ApiError, one: Found) -> str:
        what = f'{one.info.qualified} "{one.name}"'
        if isinstance(error, Invalid):
            causes = tuple(f"{cause.field or ''}: {cause.message or ''}" for cause in error.causes)
            self.refusals.append(Refusal(f"{what} was not valid", causes))
            return f"error: {what} is invalid"
        if isinstance(error, NotFound):
            self.gone += 1
            return f"error: {what} could not be found on the server"
        self.failed += 1
        return f"error: {what} could not be patched: {error.message}"


def edit(call: Invocation, listed: Sequence[Found], shown: Sequence[Object], purpose: Purpose) -> None:
    """`shown` are the objects as the editor shall have them. Raises when nothing came of it."""
    form = Form(call.flags.get("output") or "", windows=bool(call.flags.get("windows-line-endings")), head=purpose.head)
    original = form.dump(shown)
    refusals: list[Refusal] = []
    before, last = original, Saved("", "")
    while True:
        last_path = last.path
        last = launch(form.with_head(before, refusals), form.suffix)
        after = without_comments(last.text)
        if refusals and _same(before, after):
            raise _kept(CliError(NO_VALID_CHANGES), last)
        if last_path:
            forget(last_path)
        before = after
        complaint = _unreadable(after)
        if complaint:
            refused = f'<nil>: Invalid value: "The edited file failed validation": {complaint}'
            what = f'{listed[0].info.qualified} "{listed[0].name}"'
            refusals = [Refusal(f"{what} was not valid", (refused,))]
            complain(f"error: {what} is invalid")
            continue
        if _same(original, after):
            forget(last.path)
            complain("Edit cancelled, no changes made.")
            return
        try:
            edited = [mapped(call.session, one) for document in documents(after, "edited-file")
                      for one in flattened(document)]  # fmt: skip
        except (CliError, NoSuchKind) as error:
            refusals = [Refusal(f"The edited file had a syntax error: {error}")]
            continue
        refusals = _sent(listed, shown, edited, purpose, last)
        if not refusals:
            forget(last.path)
            return


def _sent(
    listed: Sequence[Found], shown: Sequence[Object], edited: Sequence[Found], purpose: Purpose, last: Saved
) -> list[Refusal]:
    tally = _Tally()
    for position, one in enumerate(edited):
        at = _original_of(one, listed, position)
        try:
            if at is None:
                raise CliError("the edited object was not among those to edit")
            purpose.send(listed[at], shown[at], one.data)
        except ApiError as error:
            if not purpose.retries:
                raise _kept(error, last) from None
            complain(tally.add(error, listed[at or 0]))
        except CliError as error:
            raise _kept(error, last) from None
    if tally.failed:
        complain(f"You can run `kubectl replace -f {last.path}` to try this update again.")
        raise Exit(1)
    if tally.gone:
        complain(f'The edits you made on deleted resources have been saved to "{last.path}"')
        raise Exit(1)
    return tally.refusals


def _original_of(edited: Found, listed: Sequence[Found], position: int) -> int | None:
    """By uid, by name, else by place: a name that was changed is told as such."""
    uid = (edited.data.get("metadata") or {}).get("uid")
    for at, one in enumerate(listed):
        if uid and uid == (one.data.get("metadata") or {}).get("uid"):
            return at
    for at, one in enumerate(listed):
        if (one.info, one.namespace, one.name) == (edited.info, edited.namespace, edited.name):
            return at
    return position if position < len(listed) else None


def _kept(error: Exception, last: Saved) -> Exception:
    complain(f'A copy of your changes has been stored to "{last.path}"')
    return error if isinstance(error, CliError) else PlainError(words(error))


class Form:
    """How objects look in the file: YAML with a head of comments, or JSON, which has none."""

    def __init__(self, output: str, *, windows: bool, head: tuple[str, ...]) -> None:
        if output not in ("", "yaml", "json"):
            from sampan.cli.printers import no_printer

            raise no_printer(output, ("json", "yaml"))
        self.suffix = ".json" if output == "json" else ".yaml"
        self._windows = windows
        self._head = head

    def dump(self, objects: Sequence[Object]) -> str:
        whole = objects[0] if len(objects) == 1 else {
            "apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {},
        }  # fmt: skip
        if self.suffix == ".json":
            from sampan.cli.printers.json import pretty

            return pretty(whole, sort_keys=True) + "\n"
        from sampan.cli.goyaml import dump

        return dump(whole)

    def with_head(self, text: str, refusals: Sequence[Refusal]) -> str:
        whole = text if self.suffix == ".json" else "".join(f"{line}\n" for line in self._comments(refusals)) + text
        return whole.replace("\n", "\r\n") if self._windows else whole

    def _comments(self, refusals: Sequence[Refusal]) -> list[str]:
        lines = list(self._head)
        for head, causes in refusals:
            lines += [f"{head}:" if causes else head, *(f"* {cause}" for cause in causes), ""]
        return [f"# {line}".rstrip() for text in lines for line in text.split("\n")]


def without_comments(text: str) -> str:
    text = text.replace("\r\n", "\n")
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _unreadable(text: str) -> str:
    """What is wrong with it before it is anything of ours."""
    try:
        found = load_yaml(text)
    except YamlError as error:
        return str(error).removeprefix("error converting YAML to JSON: ")
    if not isinstance(found, dict):
        return "invalid object to validate"
    missing = [field for field in ("apiVersion", "kind") if not found.get(field)]
    return " ".join(f"{field} not set" for field in missing)


def _same(one: str, other: str) -> bool:
    """By meaning, where both can be read: comments and blanks are nobody's change."""
    if one == other:
        return True
    try:
        return bool(load_yaml(one) == load_yaml(other))
    except YamlError:
        return one.strip() == other.strip()
