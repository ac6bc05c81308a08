"""Environment variables from a file that another container of the Pod has written (`fileKeyRef`).

The file is in the Pod's hands: whatever links it has in there, nothing outside of its volume is read.
"""

import os
import stat
from pathlib import Path

LONGEST = 1024 * 1024


class Outside(OSError):
    """The path leads out of the volume, or to something that is no file."""


def read_variable(volume: Path, path: str, key: str) -> str | None:
    """Its value, or nothing when the file does not have it; FileNotFoundError without the file. Blocking."""
    file = os.open(volume / path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        where = Path(os.readlink(f"/proc/self/fd/{file}"))
        if not where.is_relative_to(volume.resolve()) or not stat.S_ISREG(os.fstat(file).st_mode):
            raise Outside(f"{path} is no file of its volume")
        return variables(os.read(file, LONGEST).decode(errors="surrogateescape")).get(key)
    finally:
        os.close(file)


def variables(text: str) -> dict[str, str]:
    """`NAME=value` a line; of two of one name the first counts. In single quotes a value may have several lines."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        if not equals or name.lstrip().startswith("#"):
            continue
        if value.startswith("'"):
            value = value[1:]
            while "'" not in value and (more := next(lines, None)) is not None:
                value += "\n" + more
            value = value.partition("'")[0]
        else:
            value = value.partition("#")[0]
        found.setdefault(name.strip(), value)
    return found
