"""A text in an editor (KUBE_EDITOR, then EDITOR, then vi), in a file that stays until it is no longer needed."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from typing import NamedTuple

from sampan.cli.errors import CliError


class Saved(NamedTuple):
    text: str
    path: str


def command() -> list[str]:
    said = os.environ.get("KUBE_EDITOR") or os.environ.get("EDITOR") or "vi"
    return shlex.split(said)


def launch(text: str, suffix: str) -> Saved:
    """What the editor saved. The file is the caller's to remove."""
    descriptor, path = tempfile.mkstemp(prefix="kubectl-edit-", suffix=suffix)
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    words = command()
    try:
        done = subprocess.run([*words, path], check=False)
    except OSError as error:
        forget(path)
        raise CliError(f'unable to launch the editor "{words[0]}": {error.strerror}') from None
    if done.returncode:
        forget(path)
        raise CliError(f'there was a problem with the editor "{" ".join(words)}"')
    with open(path, encoding="utf-8", newline="") as file:
        return Saved(file.read(), path)


def forget(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
