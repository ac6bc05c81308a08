"""Small images made of this host's own busybox, so that the examples and tests need no network.

    sampan.local/busybox:1.36        busybox with all its applets
    sampan.local/kubia:latest        answers `You've hit HOSTNAME` on 8080, as the book's luksa/kubia does;
    docker.io/luksa/kubia:latest     the same under the name that the notes use
    sampan.local/echo:1.0            answers on 8080 (PORT) with who asked whom, and for what

All end at once on SIGTERM, and write a line to their log for each request.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sampan.runtime.errors import NotFound
from sampan.runtime.images.blocking import blocking
from sampan.runtime.images.build import build
from sampan.runtime.images.store import LocalImageStore
from sampan.runtime.records import Image, ImageConfig

BUSYBOX = Path("/bin/busybox")

_USERS = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
    "nobody:x:65534:65534:nobody:/:/bin/false\n"
)
_GROUPS = "root:x:0:\ndaemon:x:1:\nnogroup:x:65534:\n"

_SERVE = """#!/bin/sh
# nc starts /app/answer for each connection. As PID 1 this shell has to react to signals itself, from its first moment:
# the kernel keeps from PID 1 what it has no handler for.
trap 'kill $server 2>/dev/null; exit 0' TERM INT
echo "@NAME@ server starting..."
nc -ll -p "${PORT:-8080}" -e /app/answer &
server=$!
wait $server
"""

_REQUEST = r"""#!/bin/sh
# One connection: standard input and output are the socket, standard error is the container's log.
cr=$(printf '\r')
IFS=' ' read -r method path version
length=0
headers=
while IFS= read -r line && line=${line%$cr} && [ "$line" ]; do
  headers="$headers$line
"
  case $line in [Cc]ontent-[Ll]ength:*) length=${line#*:} ;; esac
done
[ "$((length))" -gt 0 ] && head -c "$((length))" >/dev/null

address() {  # the address of this side ($1 = 2) or the other ($1 = 3), as the kernel's table has it
  socket=$(readlink /proc/self/fd/0)
  socket=${socket#socket:\[}
  found=$(awk -v inode="${socket%]}" -v side="$1" '$10 == inode { print $side; exit }' /proc/net/tcp /proc/net/tcp6)
  hex=${found%:*}
  case $hex in
    ????????) ;;
    0000000000000000FFFF0000????????) hex=${hex#????????????????????????} ;;
    *) echo "[$hex]"; return ;;
  esac
  printf '%d.%d.%d.%d\n' "0x${hex:6:2}" "0x${hex:4:2}" "0x${hex:2:2}" "0x${hex:0:2}"
}

answer() {
  printf 'HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n'
  printf 'Content-Length: %d\r\nConnection: close\r\n\r\n' "$(printf '%s\n' "$1" | wc -c)"
  [ "$method" = HEAD ] || printf '%s\n' "$1"
}
"""

_KUBIA = r"""
echo "Received request from $(address 3)" >&2
answer "You've hit $(hostname)"
"""

_ECHO = r"""
client=$(address 3)
echo "$client $method $path" >&2
answer "$(printf 'host: %s\nserver: %s\nclient: %s\nrequest: %s %s %s\n%s' \
  "$(hostname)" "$(address 2)" "$client" "$method" "$path" "$version" "$headers")"
"""


@dataclass(frozen=True, slots=True)
class _Example:
    names: tuple[str, ...]
    config: ImageConfig
    answer: str = ""  # of a server
    title: str = ""


_EXAMPLES = (
    _Example(("sampan.local/busybox:1.36",), ImageConfig(cmd=["sh"])),
    _Example(
        ("sampan.local/kubia:latest", "docker.io/luksa/kubia:latest"),
        ImageConfig(entrypoint=["/app/serve"], exposed_ports=["8080"]),
        _KUBIA,
        "Kubia",
    ),
    _Example(
        ("sampan.local/echo:1.0",),
        ImageConfig(entrypoint=["/app/serve"], env=["PORT=8080"], exposed_ports=["8080"]),
        _ECHO,
        "Echo",
    ),
)


async def build_example_images(store: LocalImageStore, busybox: Path = BUSYBOX) -> list[Image]:
    """Build them all (the same ids every time, from the same busybox). NotFound without a static busybox."""
    images = []
    with tempfile.TemporaryDirectory(prefix="sampan-examples-") as folder:
        for number, example in enumerate(_EXAMPLES):
            root = Path(folder) / str(number)
            await blocking(_lay_out, root, example, busybox)
            image = await build(store, example.names[0], root, example.config)
            for name in example.names[1:]:
                await store.tag(image.id, name)
            images.append(await store.status(image.id) or image)
    return images


def _lay_out(root: Path, example: _Example, busybox: Path) -> None:
    _base(root, busybox)
    if example.answer:
        (root / "app").mkdir()
        _script(root / "app/serve", _SERVE.replace("@NAME@", example.title))
        _script(root / "app/answer", _REQUEST + example.answer)


def _base(root: Path, busybox: Path) -> None:
    """A root as busybox images have it: applets by name, users, and the usual empty directories."""
    if not busybox.is_file():
        raise NotFound(f"{busybox} is not there: install busybox-static")
    if b"ld-linux" in busybox.read_bytes()[:8192] or b"ld-musl" in busybox.read_bytes()[:8192]:
        raise NotFound(f"{busybox} needs shared libraries: install busybox-static")
    for name in ("bin", "dev", "etc", "home", "proc", "root", "sys", "tmp", "usr", "var"):
        (root / name).mkdir(parents=True)
    (root / "root").chmod(0o700)
    (root / "tmp").chmod(0o1777)
    (root / "usr/bin").symlink_to("../bin")
    (root / "etc/passwd").write_text(_USERS)
    (root / "etc/group").write_text(_GROUPS)
    shutil.copyfile(busybox, root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for applet in applets:
        if applet != "busybox":
            os.symlink("busybox", root / "bin" / applet)


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)
