"""hostPath: a path of this node, checked or made as its type says."""

import stat
from pathlib import Path

from sampan.api.types import core_v1
from sampan.kubelet.errors import MountFault


def set_up_host_path(volume: core_v1.Volume) -> Path:
    """Checks (or makes) what the Pod asked for; the path itself."""
    source = volume.hostPath
    assert source is not None
    path, kind = Path(source.path), source.type or ""
    fault = check_host_path(path, kind)
    if fault:
        raise MountFault(volume.name, f"hostPath type check failed: {fault}")
    return path


def check_host_path(path: Path, kind: str) -> str:
    """What is wrong; nothing when all is well."""
    if kind == "DirectoryOrCreate":
        if not path.exists():
            path.mkdir(parents=True, mode=0o755)
        return "" if path.is_dir() else f"{path} is not a directory"
    if kind == "FileOrCreate":
        if not path.exists():
            if not path.parent.is_dir():
                return f"{path} is not a file"
            path.touch(mode=0o644)
        return "" if path.is_file() else f"{path} is not a file"
    try:
        mode = path.stat().st_mode
    except OSError:
        mode = 0
    wanted = {
        "Directory": (stat.S_ISDIR, "a directory"),
        "File": (stat.S_ISREG, "a file"),
        "Socket": (stat.S_ISSOCK, "a socket"),
        "CharDevice": (stat.S_ISCHR, "a character device"),
        "BlockDevice": (stat.S_ISBLK, "a block device"),
    }.get(kind)
    if wanted is None:
        if mode == 0:
            path.mkdir(parents=True, exist_ok=True)  # as container runtimes do for a path that is not there
        return ""
    matches, name = wanted
    return "" if matches(mode) else f"{path} is not {name}"
