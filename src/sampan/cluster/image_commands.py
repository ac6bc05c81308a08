"""`sampan image …`: the node's images, straight from its store, whether an agent runs or not.

Every command opens the same store that the agent uses; file locks keep them apart. Output is laid out as `crictl
images` and `docker` lay it out.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from sampan.cluster.paths import DEFAULT_NAME, NAME_VARIABLE, ClusterPaths
from sampan.runtime.errors import RuntimeFault

if TYPE_CHECKING:
    from sampan.runtime.images.store import LocalImageStore
    from sampan.runtime.records import AuthConfig, Image

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def images_root(name: str) -> Path:
    """Where the cluster's images are: its nodes on one machine share them."""
    return ClusterPaths.of(name).agent(f"{name}-1") / "images"


@click.group("image", help="Images on this node.")
def image_group() -> None:
    pass


class _Place:
    def __init__(self, root: Path) -> None:
        self.root = root

    @asynccontextmanager
    async def store(self, hosts_dirs: Sequence[Path] = ()) -> AsyncIterator[LocalImageStore]:
        from sampan.runtime.images.hosts import DEFAULT_HOSTS_DIRS
        from sampan.runtime.images.store import LocalImageStore

        store = LocalImageStore(self.root, hosts_dirs=hosts_dirs or DEFAULT_HOSTS_DIRS)
        await store.start()
        try:
            yield store
        finally:
            await store.close()

    def images(self) -> list[Image]:
        """What there is, without opening the store: asking makes nothing, and is quick."""
        from sampan.runtime.images.index import ImageIndex

        with _errors_told():
            state = ImageIndex(self.root).read()
            return [state.image(found) for found in state.images]

    def run(self, work: Callable[[LocalImageStore], Awaitable[T]], hosts_dirs: Sequence[Path] = ()) -> T:
        async def go() -> T:
            async with self.store(hosts_dirs) as store:
                return await work(store)

        with _errors_told():
            return asyncio.run(go())


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except RuntimeFault as e:
        raise click.ClickException(str(e)) from e
    except PermissionError as e:
        raise click.ClickException(f"{e.strerror}: {e.filename} (root is needed)") from e
    except OSError as e:
        raise click.ClickException(f"{e.strerror or e}" + (f": {e.filename}" if e.filename else "")) from e


def _on_store(command: F) -> F:
    """Adds the options that say which store, and hands it over."""

    @click.option(
        "--name",
        "cluster",
        default=DEFAULT_NAME,
        show_default=True,
        envvar=NAME_VARIABLE,
        help="The cluster whose images are meant.",
    )
    @click.option("--root", type=click.Path(path_type=Path), help="The image store itself, instead of the cluster's.")
    @wraps(command)
    def with_place(cluster: str, root: Path | None, *args: Any, **kwargs: Any) -> Any:
        return command(_Place(root or images_root(cluster)), *args, **kwargs)

    return cast("F", with_place)


@image_group.command("ls", help="List images.")
@click.argument("repository", required=False)
@click.option("-q", "--quiet", is_flag=True, help="Only ids.")
@click.option("--digests", is_flag=True, help="Also show digests.")
@click.option("--no-trunc", is_flag=True, help="Whole ids.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
@_on_store
def list_command(
    place: _Place, repository: str | None, quiet: bool, digests: bool, no_trunc: bool, output: str
) -> None:
    images = place.images()
    rows = sorted(row for image in images for row in _rows(image) if repository in (None, row[0], _familiar(row[0])))
    if output == "json":
        import msgspec

        click.echo(json.dumps({"images": msgspec.to_builtins(images)}, indent=2))
    elif quiet:
        for image_id in dict.fromkeys(row[3] for row in rows):
            click.echo(image_id)
    else:
        header = ["IMAGE", "TAG", *(["DIGEST"] if digests else []), "IMAGE ID", "SIZE"]
        lines = [
            [name, tag, *([_short(digest)] if digests else []), image_id if no_trunc else _short(image_id), size]
            for name, tag, digest, image_id, size in rows
        ]
        _table([header, *lines])


@image_group.command("pull", help="Fetch images from their registries.")
@click.argument("names", nargs=-1, required=True)
@click.option("--creds", metavar="USER[:PASSWORD]", help="Credentials (else those in ~/.docker/config.json).")
@click.option(
    "--hosts-dir", type=click.Path(path_type=Path), multiple=True, help="Where registry hosts.toml files are."
)
@click.option("-q", "--quiet", is_flag=True, help="Only the id.")
@_on_store
def pull_command(
    place: _Place, names: tuple[str, ...], creds: str | None, hosts_dir: tuple[Path, ...], quiet: bool
) -> None:
    from sampan.runtime.images.reference import parse

    async def work(store: LocalImageStore) -> None:
        for name in names:
            ref = parse(name)
            with _progress(quiet) as progress:
                image = await store.pull(name, _credentials(ref.registry, creds), progress)
            click.echo(image.id if quiet else f"Pulled {ref} ({_short(image.id)}, {human_size(image.size)})")

    place.run(work, hosts_dir)


@image_group.command(
    "load", help="Take in images from an archive (docker save, OCI), an OCI layout, or standard input."
)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("-i", "--input", "input_", type=click.Path(path_type=Path), help="The same, as docker has it.")
@_on_store
def load_command(place: _Place, source: Path | None, input_: Path | None) -> None:
    from sampan.runtime.images.archive import load

    chosen = source or input_
    if chosen is None and sys.stdin.isatty():
        raise click.UsageError("requested load from stdin, but stdin is empty")
    stream = sys.stdin.buffer if chosen is None or str(chosen) == "-" else chosen
    for image in place.run(lambda store: load(store, stream)):
        for name in image.repo_tags:
            click.echo(f"Loaded image: {name}")
        if not image.repo_tags:
            click.echo(f"Loaded image ID: {image.id}")


@image_group.command("save", help="Write images as one archive, for `image load` and `docker load`.")
@click.argument("names", nargs=-1, required=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The file to write (else standard output).")
@_on_store
def save_command(place: _Place, names: tuple[str, ...], output: Path | None) -> None:
    from sampan.runtime.images.save import save

    if output is None or str(output) == "-":
        if sys.stdout.isatty():
            raise click.UsageError("cowardly refusing to save to a terminal. Use the -o flag or redirect")
        place.run(lambda store: save(store, names, sys.stdout.buffer))
        return
    partial = output.with_name(f".{output.name}.partial")
    try:
        with partial.open("wb") as out:
            place.run(lambda store: save(store, names, out))
        partial.rename(output)
    finally:
        partial.unlink(missing_ok=True)


@image_group.command("tag", help="Give an image one more name.")
@click.argument("image")
@click.argument("name")
@_on_store
def tag_command(place: _Place, image: str, name: str) -> None:
    place.run(lambda store: store.tag(image, name))


@image_group.command("rm", help="Remove names, and with their last name images.")
@click.argument("names", nargs=-1, required=True)
@_on_store
def remove_command(place: _Place, names: tuple[str, ...]) -> None:
    failures: list[str] = []

    async def work(store: LocalImageStore) -> None:
        for name in names:
            try:
                before = await store.status(name)
                await store.remove(name)
            except RuntimeFault as e:
                failures.append(str(e))
                continue
            assert before is not None
            gone = await store.status(before.id) is None
            click.echo(f"Deleted: {before.id}" if gone else f"Untagged: {name}")

    place.run(work)
    if failures:
        raise click.ClickException("\n".join(failures))


@image_group.command("prune", help="Remove images without a name; with --all every image that no container uses.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also images with names.")
@_on_store
def prune_command(place: _Place, everything: bool) -> None:
    gone, freed = place.run(lambda store: store.prune(everything=everything))
    for image_id in gone:
        click.echo(f"Deleted: {image_id}")
    click.echo(f"Total reclaimed space: {human_size(freed)}")


@image_group.command("build", help="Make an image of one layer from a directory.")
@click.argument("name")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--entrypoint", default="", help="What to run: words, or a JSON list.")
@click.option("--cmd", default="", help="Its default arguments: words, or a JSON list.")
@click.option("--env", "-e", multiple=True, metavar="NAME=VALUE")
@click.option("--user", default="")
@click.option("--workdir", default="")
@click.option("--stop-signal", default="")
@click.option("--expose", multiple=True, metavar="PORT[/PROTOCOL]")
@click.option("--label", multiple=True, metavar="NAME=VALUE")
@click.option("-q", "--quiet", is_flag=True, help="Only the id.")
@_on_store
def build_command(
    place: _Place,
    name: str,
    directory: Path,
    entrypoint: str,
    cmd: str,
    env: tuple[str, ...],
    user: str,
    workdir: str,
    stop_signal: str,
    expose: tuple[str, ...],
    label: tuple[str, ...],
    quiet: bool,
) -> None:
    from sampan.runtime.images.build import build, environment
    from sampan.runtime.records import ImageConfig

    async def work(store: LocalImageStore) -> Image:
        config = ImageConfig(
            entrypoint=_words(entrypoint),
            cmd=_words(cmd),
            env=environment(env),
            user=user,
            working_dir=workdir,
            stop_signal=stop_signal,
            exposed_ports=list(expose),
            labels=dict(pair.partition("=")[::2] for pair in label),
        )
        return await build(store, name, directory, config)

    image = place.run(work)
    click.echo(image.id if quiet else f"Built {image.repo_tags[-1]} ({_short(image.id)}, {human_size(image.size)})")


@image_group.command("examples", help="Make the images that the examples use, from this machine's own busybox.")
@_on_store
def examples_command(place: _Place) -> None:
    from sampan.runtime.images.examples import build_example_images

    built = place.run(build_example_images)
    _table([[name, _short(image.id), human_size(image.size)] for image in built for name in image.repo_tags])


# --- the small things -----------------------------------------------------------------------------------------------


def _words(text: str) -> list[str]:
    """`["sh", "-c", "…"]` or `sh -c "…"`."""
    if not text.lstrip().startswith("["):
        return shlex.split(text)
    try:
        words = json.loads(text)
    except ValueError as e:
        raise click.UsageError(f"invalid list {text!r}: {e}") from e
    if not all(isinstance(word, str) for word in words):
        raise click.UsageError(f"invalid list {text!r}: not all strings")
    return list(words)


def _credentials(registry: str, creds: str | None) -> AuthConfig | None:
    from sampan.runtime.images.auth import docker_config_auth
    from sampan.runtime.records import AuthConfig

    if not creds:
        return docker_config_auth(registry)
    user, colon, password = creds.partition(":")
    if not colon:
        password = click.prompt("Password", hide_input=True, err=True)
    return AuthConfig(username=user, password=password)


def _rows(image: Image) -> list[tuple[str, str, str, str, str]]:
    """IMAGE, TAG, DIGEST, IMAGE ID, SIZE: one row for each name."""
    digests = dict(entry.partition("@")[::2] for entry in image.repo_digests)
    rest = (image.id, human_size(image.size))
    rows = []
    for name in image.repo_tags:
        repository, _, tag = name.rpartition(":")
        rows.append((repository, tag, digests.pop(repository, "<none>"), *rest))
    tagged = {row[0] for row in rows}
    rows += [(name, "<none>", digest, *rest) for name, digest in digests.items() if name not in tagged]
    return rows or [("<none>", "<none>", "<none>", *rest)]


def _familiar(repository: str) -> str:
    return repository.removeprefix("docker.io/").removeprefix("library/")


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:13]


def human_size(size: float) -> str:
    """Decimal units and three digits, as crictl and docker print sizes."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            return f"{size:.3g}{unit}"
        size /= 1000
    raise AssertionError


def _table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _progress(quiet: bool) -> Any:
    """A context manager that gives the callback for a pull: bars on a terminal, else nothing."""
    if quiet or not sys.stderr.isatty():
        from contextlib import nullcontext

        return nullcontext()
    from sampan.cluster.image_progress import bars

    return bars()
