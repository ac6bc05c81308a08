"""Plugins: programs on PATH that add verbs. `sampan foo bar` runs `sampan-foo-bar`, else `kubectl-foo-bar`, else the
same with fewer words; the rest are its arguments. A dash within a word is an underscore in the file's name.

kubectl's plugins are found too, so that what krew and others installed goes on working.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

PREFIXES = ("sampan", "kubectl")


class Plugin(NamedTuple):
    file: str
    words: int
    """How many words of the command line are its name."""


def find(argv: Sequence[str], *, least: int = 1, which: Callable[[str], str | None] = shutil.which) -> Plugin | None:
    """The plugin of the longest name, of `least` words or more, that the words before the first flag spell."""
    words = [word.replace("-", "_") for word in takewhile(lambda word: not word.startswith("-"), argv)]
    for count in range(len(words), least - 1, -1):
        for prefix in PREFIXES:
            file = which("-".join((prefix, *words[:count])))
            if file:
                return Plugin(file, count)
    return None


def run_instead(argv: Sequence[str], *, least: int = 1) -> None:
    """Becomes the plugin, if there is one; returns if not."""
    found = find(argv, least=least)
    if found is not None:
        os.execv(found.file, [found.file, *argv[found.words :]])  # noqa: S606 - the user named the program


class Listed(NamedTuple):
    folder: str
    files: tuple[str, ...] = ()
    trouble: str = ""


def listed(path: str) -> Iterator[Listed]:
    """The plugins of each folder of PATH, every folder once."""
    for folder in dict.fromkeys(path.split(os.pathsep)):
        if not folder.strip():
            continue
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Listed(folder, trouble=(error.strerror or "cannot be read").lower())
            continue
        yield Listed(folder, tuple(entry.name for entry in entries if _is_plugin(entry)))


def _is_plugin(entry: os.DirEntry[str]) -> bool:
    return entry.name.startswith(tuple(f"{prefix}-" for prefix in PREFIXES)) and not entry.is_dir(follow_symlinks=False)
