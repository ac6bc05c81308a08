"""`patch`: some fields of an object, as a strategic, merge or JSON patch."""

from __future__ import annotations

from typing import Any

from sampan.api.goquote import quote
from sampan.cli import printers
from sampan.cli.change import each
from sampan.cli.command import DRY_RUN, FILES, OUTPUT, Command, Invocation, dry_run, manager
from sampan.cli.errors import CliError
from sampan.cli.files import YamlError, load_yaml
from sampan.cli.flags import Flag
from sampan.cli.printers.json import compact
from sampan.cli.record import RECORD, patch_of
from sampan.cli.resources import Found
from sampan.client.calls import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, WriteOptions

TYPES = {"strategic": STRATEGIC_PATCH, "merge": MERGE_PATCH, "json": JSON_PATCH}


def run(call: Invocation) -> int:
    flags = call.flags
    body = _body(call)
    kind = flags["type"].lower()
    if kind not in TYPES:
        raise CliError(f'--type must be one of [json merge strategic], not "{kind}"')
    mode = dry_run(flags)

    def apply_to(one: Found) -> None:
        client = call.session.client.of(one.info)
        if mode == "client" or flags["local"]:
            result = _locally(one, body, kind)
            word = "patched" if result != one.data else "patched (no change)"
        else:
            options = WriteOptions(mode == "server", flags["field-manager"])
            result = client.patch(
                one.name, body, options, namespace=one.namespace, type=TYPES[kind], subresource=flags["subresource"]
            )
            word = "patched" if result != one.data else "patched (no change)"
            if flags["record"] and not flags["subresource"]:
                result = client.patch(one.name, patch_of(call), options, namespace=one.namespace, type=MERGE_PATCH)
        printers.of(flags["output"], operation=word, flags=flags)(result)

    each(call, call.args, apply_to, local=flags["local"])
    return 0


def _body(call: Invocation) -> bytes:
    flags = call.flags
    text = flags["patch"]
    if flags["patch-file"]:
        if text:
            raise CliError("cannot specify --patch and --patch-file together")
        try:
            with open(flags["patch-file"], encoding="utf-8") as file:
                text = file.read()
        except OSError as error:
            said = (error.strerror or "").lower()
            raise CliError(f"unable to read patch file: open {flags['patch-file']}: {said}") from None
    if not text:
        raise CliError("must specify --patch or --patch-file containing the contents of the patch")
    if text.lstrip().startswith("{"):
        return bytes(text, "utf-8")
    try:
        return compact(load_yaml(text)).encode()
    except YamlError as error:
        said = str(error).removeprefix("error converting YAML to JSON: ")
        raise CliError(f"unable to parse {quote(text)}: {said}") from None


def _locally(one: Found, body: bytes, kind: str) -> Any:
    import msgspec

    patch = msgspec.json.decode(body)
    if kind == "json":
        from sampan.api.patch import json as json_patch

        return json_patch.apply(one.data, patch)
    if kind == "merge":
        from sampan.api.patch import merge

        return merge.apply_to_object(one.data, patch)
    from sampan.api.patch import strategic
    from sampan.api.patch.shape import built_in as shape_of
    from sampan.cli.last_applied import built_in

    row = built_in(one.info)
    if row is None:
        raise CliError("strategic merge patches need a built-in type: use --type=merge")
    return strategic.apply(one.data, patch, shape_of(row.schema_ref))


COMMAND = Command(
    path="patch",
    run=run,
    flags=(
        *FILES,
        *OUTPUT,
        DRY_RUN,
        RECORD,
        manager("patch"),
        Flag("patch", short="p", usage="the patch, in JSON or YAML"),
        Flag("patch-file", usage="the file that holds it"),
        Flag("type", default="strategic", usage="strategic, merge or json"),
        Flag("subresource", usage="status, scale …"),
        Flag("local", "bool", usage="change what the file says, ask no server"),
    ),
    summary="Change some fields of an object.",
    usage="(TYPE NAME | TYPE/NAME | -f FILE) (-p PATCH | --patch-file FILE)",
    examples="""sampan patch pod web -p '{"metadata":{"labels":{"a":"b"}}}'""",
)
