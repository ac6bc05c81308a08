"""`config`: looking at kubeconfig files; changing them is `sampan.cli.config_change`."""

from __future__ import annotations

import base64
import copy
import os
from typing import Any

from sampan.cli import printers
from sampan.cli.command import OUTPUT, Command, Invocation
from sampan.cli.errors import CliError, UsageError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.printers.tabwriter import table
from sampan.client.kubeconfig_files import SECTIONS, Kubeconfig, default_path, load

_SECRETS = ("token", "password")
ORDER = {
    "clusters": ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority",
                 "certificate-authority-data", "proxy-url", "disable-compression", "extensions"),
    "users": ("client-certificate", "client-certificate-data", "client-key", "client-key-data", "token", "tokenFile",
              "as", "as-uid", "as-groups", "as-user-extra", "username", "password", "auth-provider", "exec"),
    "contexts": ("cluster", "user", "namespace", "extensions"),
}  # fmt: skip
"""kubectl's, where it is not that of the alphabet."""
_DATA = ("client-key-data", "client-certificate-data", "certificate-authority-data")


def view(call: Invocation) -> int:
    if call.args:
        raise UsageError(f"unexpected arguments: [{' '.join(call.args)}]")
    flags = call.flags
    config = call.session.kubeconfig if flags["merge"] else load(target_file(call))
    parts = {name: copy.deepcopy(config.section(name)) for name in ("clusters", "users", "contexts")}
    for section, body in SECTIONS.items():
        for name, entry in parts[section].items():
            said = entry if flags["flatten"] else _as_written(config, section, name, entry, body.paths)
            parts[section][name] = _in_order(said, ORDER[section])
    current = flags["context"] or config.current_context
    if flags["minify"]:
        if not current:
            raise CliError("current-context must exist in order to minify")
        if current not in parts["contexts"]:
            raise CliError(f"cannot locate context {current}")
        context = parts["contexts"][current]
        parts["contexts"] = {current: context}
        for name, key in (("clusters", "cluster"), ("users", "user")):
            wanted = context.get(key)
            if wanted and wanted not in parts[name]:
                raise CliError(f"cannot locate {key} {wanted}")
            parts[name] = {wanted: parts[name][wanted]} if wanted in parts[name] else {}
    if flags["flatten"]:
        _flatten(parts)
    elif not flags["raw"]:
        _hide(parts)
    data: dict[str, Any] = {"kind": "Config", "apiVersion": "v1"}
    if config.preferences:
        data["preferences"] = config.preferences
    for name, key in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        data[name] = [{"name": one, key: body} for one, body in sorted(parts[name].items())] or None
    data["current-context"] = current
    if config.extensions:
        data["extensions"] = config.extensions
    printers.of(flags["output"] or "yaml", flags=flags, sort_keys=False)(data)
    return 0


def _as_written(
    config: Kubeconfig, section: str, name: str, entry: dict[str, Any], paths: tuple[str, ...]
) -> dict[str, Any]:
    """Paths as the file says them, which is from its own folder."""
    folder = os.path.dirname(config.origins.get((section, name)) or "")
    said = {key: entry[key].removeprefix(f"{folder}{os.sep}") for key in paths if entry.get(key) and folder}
    return entry | said


def _in_order(entry: dict[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    return {key: entry[key] for key in order if key in entry} | entry


def _flatten(parts: dict[str, dict[str, dict[str, Any]]]) -> None:
    """What stands in files comes into the configuration itself, so that it can be carried elsewhere."""
    for section in parts.values():
        for body in section.values():
            for key in _DATA:
                path = body.pop(key.removesuffix("-data"), "")
                if path and not body.get(key):
                    try:
                        with open(path, "rb") as file:
                            body[key] = base64.b64encode(file.read()).decode()
                    except OSError as error:
                        raise CliError(f"open {path}: {(error.strerror or str(error)).lower()}") from None


def _hide(parts: dict[str, dict[str, dict[str, Any]]]) -> None:
    for section in parts.values():
        for body in section.values():
            for key in (*_SECRETS, *_DATA):
                if body.get(key):
                    body[key] = "REDACTED" if key in _SECRETS else "DATA+OMITTED"


def current_context(call: Invocation) -> int:
    if not call.session.kubeconfig.current_context:
        raise CliError("current-context is not set")
    call.print(call.session.kubeconfig.current_context)
    return 0


def get_contexts(call: Invocation) -> int:
    config, flags = call.session.kubeconfig, call.flags
    errors: list[Exception] = [
        CliError(f"context {name} not found") for name in call.args if name not in config.contexts
    ]
    names = [name for name in sorted(set(call.args or config.contexts)) if name in config.contexts]
    if flags["output"] == "name":
        for name in names:
            call.print(name)
        raise_all(errors)
        return 0
    if flags["output"]:
        raise CliError(
            f"--output {flags['output']} is not available in kubectl config get-contexts; resetting to default output "
            "format"
        )
    rows = [] if flags["no-headers"] else [["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]]
    for name in names:
        context = config.contexts[name]
        mark = "*" if name == config.current_context else ""
        rows.append([mark, name, *(context.get(key) or "" for key in ("cluster", "user", "namespace"))])
    call.out.write(table(rows))
    raise_all(errors)
    return 0


def _names(section: str) -> Any:
    def run(call: Invocation) -> int:
        call.print("NAME")
        for name in sorted(call.session.kubeconfig.section(section)):
            call.print(name)
        return 0

    return run


def target_file(call: Invocation) -> str:
    """Which file is changed, and named in messages."""
    return default_path(call.flags["kubeconfig"])


def _changing(name: str) -> str:
    return f"config_change:{name}"


COMMAND = Command(
    path="config",
    summary="The kubeconfig files.",
    usage="SUBCOMMAND",
    aliases={"use": "use-context"},
    subcommands={
        "current-context": Command(path="config current-context", run=current_context, summary="The context in use."),
        "delete-cluster": _changing("DELETE_CLUSTER"),
        "delete-context": _changing("DELETE_CONTEXT"),
        "delete-user": _changing("DELETE_USER"),
        "get-clusters": Command(path="config get-clusters", run=_names("clusters"), summary="The clusters."),
        "get-contexts": Command(
            path="config get-contexts",
            run=get_contexts,
            flags=(Flag("output", short="o", usage="name"), Flag("no-headers", "bool", usage="no headers")),
            summary="The contexts.",
            usage="[(-o|--output=)name)]",
        ),
        "get-users": Command(path="config get-users", run=_names("users"), summary="The users."),
        "rename-context": _changing("RENAME_CONTEXT"),
        "set": "config_set:SET",
        "set-cluster": _changing("SET_CLUSTER"),
        "set-context": _changing("SET_CONTEXT"),
        "set-credentials": _changing("SET_CREDENTIALS"),
        "unset": "config_set:UNSET",
        "use-context": _changing("USE_CONTEXT"),
        "view": Command(
            path="config view",
            run=view,
            flags=(
                *OUTPUT,
                Flag("minify", "bool", usage="only what the current context uses"),
                Flag("raw", "bool", usage="with secrets"),
                Flag("flatten", "bool", usage="the contents of files instead of their names"),
                Flag("merge", "bool", True, usage="also what comes from the files after the first"),
            ),
            summary="The merged settings.",
        ),
    },
)
