"""Replaces a volume's files all at once: readers see the old ones or the new ones, never a mixture.

The files live in a directory of their own, named by the time; `..data` points to it; each visible name points through
`..data`. Changing the content is one rename of `..data`. The layout is Kubernetes' own: programs rely on it.
"""

import contextlib
import os
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from sampan.kubelet.volumes.ownership import set_group
from sampan.kubelet.volumes.payload import File, Files

DATA = "..data"


def write(directory: Path, files: Files, *, group: int | None = None) -> bool:
    """True when something changed. `group` is the Pod's fsGroup; its members may read what others may not."""
    directory.mkdir(parents=True, exist_ok=True)
    current = _current(directory)
    if current is not None and _same(current, files):
        _link_names(directory, files)  # whoever wrote it may have been killed before
        return False
    stamp = datetime.now(UTC).strftime("..%Y_%m_%d_%H_%M_%S.")
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=directory))
    fresh.chmod(0o755)
    for name, file in files.items():
        _write_file(fresh, name, file)
    if group is not None:
        set_group(fresh, group, readonly=True)
    link = directory / "..data_tmp"
    with contextlib.suppress(FileNotFoundError):
        link.unlink()
    link.symlink_to(fresh.name)
    link.rename(directory / DATA)
    _link_names(directory, files)
    for old in directory.iterdir():
        if old.name.startswith("..") and old.name not in (DATA, fresh.name):
            shutil.rmtree(old, ignore_errors=True)  # the one before, and what killed writers left
    return True


def _write_file(fresh: Path, name: str, file: File) -> None:
    path = fresh / name
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(file.content)
        if file.owner is not None:
            os.fchown(out.fileno(), file.owner, -1)
        os.fchmod(out.fileno(), file.mode)


def _current(directory: Path) -> Path | None:
    try:
        return directory / os.readlink(directory / DATA)
    except OSError:
        return None


def _same(current: Path, files: Files) -> bool:
    there = {str(p.relative_to(current)) for p in current.rglob("*") if not p.is_dir()}
    if there != set(files):
        return False
    return all((current / name).read_bytes() == file.content for name, file in files.items())


def _link_names(directory: Path, files: Files) -> None:
    tops = {name.split("/", 1)[0] for name in files}
    for top in tops:
        link = directory / top
        if not link.is_symlink():
            link.symlink_to(f"{DATA}/{top}")
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in tops:
            entry.unlink()
