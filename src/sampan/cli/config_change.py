"""`config set-…, delete-…, use-context, rename-context, set, unset`: changes of kubeconfig files.

An entry is changed in the file that it came from, a new one goes into the first (`sampan.client.kubeconfig_write`).
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any

from sampan.cli.command import Command, Invocation
from sampan.cli.config import target_file
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.client import kubeconfig_write as write

Data = dict[str, Any]


def file_of(call: Invocation, section: str, name: str) -> str:
    return call.session.kubeconfig.origins.get((section, name)) or target_file(call)


def _folder(call: Invocation, section: str, name: str) -> str:
    return os.path.dirname(os.path.abspath(file_of(call, section, name)))


def one_argument(call: Invocation) -> str:
    return arguments(call, 1)[0]


def arguments(call: Invocation, count: int) -> list[str]:
    if len(call.args) != count:
        from sampan.cli.help import command_help

        call.out.write(command_help(call.command))
        word = "unexpected" if call.command is SET_CREDENTIALS else "Unexpected"
        raise CliError(f"{word} args: [{' '.join(call.args)}]")
    return call.args


def _use_context(call: Invocation) -> int:
    name = one_argument(call)
    if not name or name not in call.session.kubeconfig.contexts:
        raise CliError(f'no context exists with the name: "{name}"')
    write.edit(_current_file(call), lambda data: data.__setitem__("current-context", name))
    call.print(f'Switched to context "{name}".')
    return 0


def _current_file(call: Invocation) -> str:
    """Where `current-context` stands: the first file that says one."""
    from sampan.client.kubeconfig_files import paths, read_file

    for path in paths(call.flags["kubeconfig"]):
        if os.path.exists(path) and read_file(path).get("current-context"):
            return path
    return target_file(call)


def _rename_context(call: Invocation) -> int:
    old, new = arguments(call, 2)
    known = call.session.kubeconfig.contexts
    if old not in known:
        raise CliError(f'cannot rename the context "{old}", it\'s not in {target_file(call)}')
    if new in known:
        raise CliError(f'cannot rename the context "{old}", the context "{new}" already exists in {target_file(call)}')
    write.edit(file_of(call, "contexts", old), lambda data: write.rename_context(data, old, new))
    call.print(f'Context "{old}" renamed to "{new}".')
    return 0


def _deleting(section: str, word: str) -> Callable[[Invocation], int]:
    def run(call: Invocation) -> int:
        name, path = one_argument(call), target_file(call)
        if name not in call.session.kubeconfig.section(section):
            raise CliError(f"cannot delete {word} {name}, not in {path}")
        if section == "contexts" and call.session.kubeconfig.current_context == name:
            call.complain(
                'warning: this removed your active context, use "kubectl config use-context" to select a different one'
            )
        path = file_of(call, section, name)
        write.edit(path, lambda data: write.remove_entry(data, section, name))
        call.print(f"deleted {word} {name} from {path}")
        return 0

    return run


def _update(call: Invocation, section: str, name: str, change: Callable[[Data], object]) -> None:
    def edit(data: Data) -> None:
        body = write.entry_of(data, section, name)
        if body is None:
            body = {}
            write.set_entry(data, section, name, body)
        change(body)

    write.edit(file_of(call, section, name), edit)


def _set_context(call: Invocation) -> int:
    flags = call.flags
    if len(call.args) > 1 or (flags["current"] and call.args):
        raise CliError(
            f"Unexpected args: [{' '.join(call.args)}]"
            if not flags["current"]
            else "you cannot specify both a context name and --current"
        )
    name = call.session.kubeconfig.current_context if flags["current"] else (call.args[0] if call.args else "")
    if not name:
        raise CliError(
            "no current context is set"
            if flags["current"]
            else "you must specify a non-empty context name or --current"
        )
    known = name in call.session.kubeconfig.contexts

    def change(body: Data) -> None:
        for key in ("cluster", "user", "namespace"):
            if flags.changed(key):
                body[key] = flags[key]

    _update(call, "contexts", name, change)
    call.print(f'Context "{name}" {"modified" if known else "created"}.')
    return 0


def _set_cluster(call: Invocation) -> int:
    name, flags = one_argument(call), call.flags
    authority = flags["certificate-authority"]
    if authority and flags["insecure-skip-tls-verify"]:
        raise CliError("you cannot specify a certificate authority and insecure mode at the same time")
    if flags["embed-certs"] and not authority:
        raise CliError("you must specify a --certificate-authority to embed")

    def change(body: Data) -> None:
        for key in ("server", "tls-server-name", "proxy-url"):
            if flags.changed(key):
                _put(body, key, flags[key])
        if flags.changed("insecure-skip-tls-verify"):
            _put(body, "insecure-skip-tls-verify", flags["insecure-skip-tls-verify"])
            if flags["insecure-skip-tls-verify"]:
                body.pop("certificate-authority", None)
                body.pop("certificate-authority-data", None)
        if authority:
            body.pop("insecure-skip-tls-verify", None)
            _put_file(
                body,
                "certificate-authority",
                authority,
                folder=_folder(call, "clusters", name),
                embed=flags["embed-certs"],
            )

    _update(call, "clusters", name, change)
    call.print(f'Cluster "{name}" set.')
    return 0


def _set_credentials(call: Invocation) -> int:
    name, flags = one_argument(call), call.flags
    basic = flags["username"] or flags["password"]
    methods = [text for text, said in (("--token", flags["token"]), ("--username/--password", basic)) if said]
    if len(methods) > 1:
        raise CliError(f"you cannot specify more than one authentication method at the same time: {', '.join(methods)}")

    if flags["embed-certs"] and not (flags["client-certificate"] or flags["client-key"]):
        raise CliError("you must specify a --client-certificate or --client-key to embed")

    def change(body: Data) -> None:
        for key in ("client-certificate", "client-key"):
            if flags[key]:
                _put_file(body, key, flags[key], folder=_folder(call, "users", name), embed=flags["embed-certs"])
        if flags["token"]:
            body["token"] = flags["token"]
            body.pop("username", None)
            body.pop("password", None)
        for key in ("username", "password"):
            if flags[key]:
                body[key] = flags[key]
                body.pop("token", None)
        if flags["exec-command"] or flags["exec-api-version"] or flags["exec-arg"] or flags["exec-env"]:
            _put_exec(body, call)

    _update(call, "users", name, change)
    call.print(f'User "{name}" set.')
    return 0


def _put_exec(body: Data, call: Invocation) -> None:
    flags = call.flags
    plugin = body.setdefault("exec", {"provideClusterInfo": False})
    if flags["exec-command"]:
        plugin["command"] = flags["exec-command"]
    if flags["exec-api-version"]:
        plugin["apiVersion"] = flags["exec-api-version"]
    if flags.changed("exec-provide-cluster-info"):
        plugin["provideClusterInfo"] = flags["exec-provide-cluster-info"]
    if flags["exec-interactive-mode"]:
        plugin["interactiveMode"] = flags["exec-interactive-mode"]
    if flags["exec-arg"]:
        plugin["args"] = list(flags["exec-arg"])
    for text in flags["exec-env"]:
        key, equals, value = text.partition("=")
        variables = [one for one in plugin.get("env") or () if one["name"] != key.removesuffix("-")]
        if equals:
            variables.append({"name": key, "value": value})
        plugin["env"] = variables


def _put(body: Data, key: str, value: object) -> None:
    if value in ("", False):
        body.pop(key, None)
    else:
        body[key] = value


def _near(path: str, folder: str) -> str:
    """As the kubeconfig says it: from its own folder when the file is in there."""
    relative = os.path.relpath(path, folder)
    return os.path.abspath(path) if relative.startswith("..") else relative


def _put_file(body: Data, key: str, path: str, *, folder: str, embed: bool) -> None:
    if embed:
        try:
            with open(path, "rb") as file:
                body[f"{key}-data"] = base64.b64encode(file.read()).decode()
        except OSError as error:
            said = (error.strerror or str(error)).lower()
            raise CliError(f"could not read {key} data from {path}: open {path}: {said}") from None
        body.pop(key, None)
    else:
        body[key] = _near(path, folder)
        body.pop(f"{key}-data", None)


_ENTRY = "NAME"
USE_CONTEXT = Command(path="config use-context", run=_use_context, summary="Use another context.", usage="CONTEXT_NAME")
RENAME_CONTEXT = Command(
    path="config rename-context", run=_rename_context, summary="Rename a context.", usage="CONTEXT_NAME NEW_NAME"
)
DELETE_CLUSTER = Command(path="config delete-cluster", run=_deleting("clusters", "cluster"), usage=_ENTRY)
DELETE_CONTEXT = Command(path="config delete-context", run=_deleting("contexts", "context"), usage=_ENTRY)
DELETE_USER = Command(path="config delete-user", run=_deleting("users", "user"), usage=_ENTRY)
SET_CONTEXT = Command(
    path="config set-context",
    run=_set_context,
    flags=(Flag("current", "bool", usage="the context in use"),),
    summary="Make or change a context: --cluster, --user, --namespace.",
    usage="[NAME | --current]",
)
SET_CLUSTER = Command(
    path="config set-cluster",
    run=_set_cluster,
    flags=(Flag("embed-certs", "bool", usage="files go into the kubeconfig"), Flag("proxy-url", usage="a proxy")),
    summary="Make or change a cluster: --server, --certificate-authority, --insecure-skip-tls-verify …",
    usage=_ENTRY,
)
SET_CREDENTIALS = Command(
    path="config set-credentials",
    run=_set_credentials,
    flags=(
        Flag("embed-certs", "bool", usage="files go into the kubeconfig"),
        Flag("exec-command", usage="a program that gives credentials"),
        Flag("exec-api-version", usage="which version it speaks"),
        Flag("exec-arg", "list", usage="its arguments"),
        Flag("exec-env", "array", usage="NAME=value for it"),
        Flag("exec-interactive-mode", usage="Never, IfAvailable or Always"),
        Flag("exec-provide-cluster-info", "bool", usage="tell it which cluster it is for"),
        Flag("auth-provider", usage="accepted, without effect"),
        Flag("auth-provider-arg", "array", usage="accepted, without effect"),
    ),
    summary="Make or change a user: --token, --client-certificate, --client-key, --username, --password.",
    usage=_ENTRY,
)
