"""An object in somebody's editor: KUBE_EDITOR, then EDITOR, then vi. What cannot be read is shown again, and why."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from typing import Any

from sampan.cli.errors import CliError
from sampan.cli.files import YamlError, load_yaml

HEAD = """\
# Please edit the object below. Lines beginning with a '#' will be ignored,
# and an empty file will abort the edit. If an error occurs while saving this file will be
# reopened with the relevant failures.
#
"""


def command() -> list[str]:
    said = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    return shlex.split(said)


def edited(obj: dict[str, Any], *, what: str, complaint: str = "", suffix: str = ".yaml") -> dict[str, Any] | None:
    """The object after the edit; None when nothing was changed or the file was emptied."""
    from sampan.cli.goyaml import dump

    text = dump(obj)
    before = text
    while True:
        said = "".join(f"# {line}\n" for line in complaint.splitlines()) + ("#\n" if complaint else "")
        after = _in_editor(HEAD + said + text, suffix)
        body = "\n".join(line for line in after.split("\n") if not line.startswith("#")).strip("\n") + "\n"
        if body.strip() in ("", before.strip()):
            return None
        try:
            found = load_yaml(body)
        except YamlError as error:
            if complaint and text == body:
                raise CliError(f"the edited file is no {what}: {error}") from None
            complaint, text = f"The edited file had a syntax error: {error}", body
            continue
        if not isinstance(found, dict):
            return None
        return found


def _in_editor(text: str, suffix: str) -> str:
    descriptor, path = tempfile.mkstemp(prefix="kubectl-edit-", suffix=suffix)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        words = command()
        try:
            done = subprocess.run([*words, path], check=False)
        except OSError as error:
            raise CliError(f'unable to launch the editor "{words[0]}": {error.strerror}') from None
        if done.returncode:
            raise CliError(f'there was a problem with the editor "{" ".join(words)}"')
        with open(path, encoding="utf-8") as file:
            return file.read()
    finally:
        os.unlink(path)
