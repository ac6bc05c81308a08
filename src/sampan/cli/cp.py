"""`cp`: files to and from a container, as a tar stream through `exec`; the container needs `tar`.

What comes from a container is not trusted: nothing is written outside the place that was named.
"""

from __future__ import annotations

import io
import os
import posixpath
import shlex
import tarfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.pod_choice import container_of
from sampan.cli.remote import Wanted, connect, converse
from sampan.client.channels import ExitStatus

CHUNK = 1 << 16


class Spec(NamedTuple):
    namespace: str
    pod: str
    path: str


def parsed(text: str) -> Spec:
    """`[[namespace/]pod:]path`. A local path may hold a colon behind a slash."""
    before, colon, path = text.partition(":")
    if not colon:
        return Spec("", "", text)
    parts = before.split("/")
    if not before:
        raise CliError("filespec must match the canonical format: [[namespace/]pod:]file/path")
    if before.startswith(("/", ".")):
        return Spec("", "", text)
    if len(parts) > 2:
        raise CliError("filespec must match the canonical format: [[namespace/]pod:]file/path")
    return Spec(parts[0] if len(parts) == 2 else "", parts[-1], path)


def run(call: Invocation) -> int:
    if len(call.args) != 2:
        raise CliError("source and destination are required")
    source, target = parsed(call.args[0]), parsed(call.args[1])
    if source.pod and target.pod:
        raise CliError("one of src or dest must be a local file specification")
    if not source.pod and not target.pod:
        raise CliError("one of src or dest must be a remote file specification")
    if not source.path or not target.path:
        raise CliError("filepath can not be empty")
    if target.pod and not os.path.lexists(source.path):
        raise CliError(f"{source.path} doesn't exist in local filesystem")
    session = call.session
    spec = target if target.pod else source
    pod = session.client.of(session.resolve("pods")).get(spec.pod, namespace=spec.namespace or session.namespace)
    container = call.flags["container"] or container_of(pod, "")
    if target.pod:
        _upload(call, pod, container, source.path, target.path)
    else:
        _download(call, pod, container, source.path, target.path)
    return 0


def _upload(call: Invocation, pod: dict[str, Any], container: str, source: str, target: str) -> None:
    if target != "/" and target.endswith("/"):
        target = target.rstrip("/")
    name = os.path.basename(os.path.abspath(source))
    if _exec(call, pod, container, ["test", "-d", target], out=lambda _: None, err=lambda _: None).ok:
        target = posixpath.join(target, name)
    folder = posixpath.dirname(target)
    command = ["tar", *(["--no-same-permissions", "--no-same-owner"] if call.flags["no-preserve"] else []), "-xmf", "-"]
    if folder:
        command += ["-C", folder]
    errors = bytearray()
    status = _exec(
        call,
        pod,
        container,
        command,
        out=lambda _: None,
        err=errors.extend,
        source=lambda done: _packed(source, posixpath.basename(target), done),
    )
    _judge(call, status, errors)


def _packed(source: str, name: str, done: Callable[[], bool]) -> Iterator[bytes]:
    """A tar stream, piece by piece: through a pipe, so that no copy of everything is made."""
    import threading

    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            try:
                with tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT) as archive:
                    archive.add(source, arcname=name)
            except BrokenPipeError:
                pass  # the other side stopped listening, and says why

    threading.Thread(target=write, daemon=True).start()
    with os.fdopen(reader, "rb") as file:
        while not done() and (piece := file.read(CHUNK)):
            yield piece


def _download(call: Invocation, pod: dict[str, Any], container: str, source: str, target: str) -> None:
    import tempfile

    clean = posixpath.normpath(source)
    errors = bytearray()
    with tempfile.TemporaryFile() as spool:
        status = _received(call, pod, container, source, spool, errors)
        if spool.tell() == 0 or not status.ok:
            _judge(call, status, errors)
        if os.path.isdir(target):
            target = os.path.join(target, posixpath.basename(clean))
        spool.seek(0)
        _unpack(call, spool, clean.lstrip("/"), target)
    said = errors.decode(errors="replace").strip()
    if said:
        call.complain(said)


def _received(
    call: Invocation, pod: dict[str, Any], container: str, source: str, spool: Any, errors: bytearray
) -> ExitStatus:
    """The whole tar stream; one that breaks goes on behind what has come, as often as --retries allows."""
    left = call.flags["retries"]
    while True:
        begin = spool.tell()
        command = ["tar", "cf", "-", source]
        if begin:
            command = ["sh", "-c", f"tar cf - {shlex.quote(source)} | tail -c+{begin + 1}"]
        try:
            return _exec(call, pod, container, command, out=spool.write, err=errors.extend)
        except CliError as error:
            if left == 0:
                raise
            left -= 1
            call.complain(f"Resuming copy at {spool.tell()} bytes, retry: {error.text}")


def _unpack(call: Invocation, spool: Any, prefix: str, target: str) -> None:
    base = os.path.realpath(target)
    found = False
    with tarfile.open(fileobj=spool, mode="r|") as archive:
        for member in archive:
            name = posixpath.normpath(member.name.lstrip("/"))
            if name != prefix and not name.startswith(f"{prefix}/") and prefix not in (".", ""):
                call.complain(f'warning: file "{member.name}" is outside of what was asked for, skipping')
                continue
            found = True
            rest = name if prefix in (".", "") else name[len(prefix) :].lstrip("/")
            path = os.path.join(target, rest) if rest not in ("", ".") else target
            inside = os.path.realpath(path)
            if inside != base and not inside.startswith(f"{base}{os.sep}"):
                call.complain(f'warning: file "{member.name}" is outside target destination, skipping')
                continue
            if member.issym() or member.islnk():
                call.complain(f'warning: skipping symlink: "{path}" -> "{member.linkname}"')
                continue
            if member.isdir():
                os.makedirs(path, exist_ok=True)
            elif member.isfile():
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                content = archive.extractfile(member) or io.BytesIO()
                with open(path, "wb") as file:
                    while piece := content.read(CHUNK):
                        file.write(piece)
                if not call.flags["no-preserve"]:
                    os.chmod(path, member.mode & 0o777)
    if not found:
        raise CliError(f"{prefix} no such file or directory")


def _exec(
    call: Invocation,
    pod: dict[str, Any],
    container: str,
    command: list[str],
    *,
    out: Callable[[bytes], object],
    err: Callable[[bytes], object],
    source: Callable[[Callable[[], bool]], Iterable[bytes]] | None = None,
) -> ExitStatus:
    wanted = Wanted(container, command, stdin=source is not None)
    socket = connect(call.session.client, call.session.resolve("pods"), pod, wanted)
    return converse(socket, wanted, source=source, out=out, err=err)


def _judge(call: Invocation, status: ExitStatus, errors: bytearray) -> None:
    said = errors.decode(errors="replace").strip()
    if said:
        call.complain(said)
    if status.ok:
        return
    if status.code is None:
        raise CliError(status.message)
    call.complain(f"command terminated with exit code {status.code}")
    from sampan.cli.errors import Exit

    raise Exit(status.code)


COMMAND = Command(
    path="cp",
    run=run,
    flags=(
        Flag("container", short="c", usage="the container"),
        Flag("no-preserve", "bool", usage="without owner and permissions"),
        Flag("retries", "int", usage="how often to go on with a broken copy from a container; -1 for ever"),
    ),
    summary="Copy files to and from a container.",
    usage="<file-spec-src> <file-spec-dest>",
    examples="sampan cp ./conf kubia:/etc/app\nsampan cp ns/pod:/var/log/app.log app.log",
)
