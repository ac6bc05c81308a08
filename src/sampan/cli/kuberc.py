"""`kuberc view, set`: the file of one's own verbs and defaults of flags (what it does: `sampan.cli.preferences`)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from sampan.cli.command import OUTPUT, Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag, Values
from sampan.cli.preferences import VERSIONS, place

Data = dict[str, Any]
SECTIONS = ("defaults", "aliases", "credentialplugin")
RECOMMENDED = {
    "defaults": [
        {"command": "apply", "options": [{"name": "server-side", "default": "true"}]},
        {"command": "delete", "options": [{"name": "interactive", "default": "true"}]},
    ]
}


def _view(call: Invocation) -> int:
    from sampan.cli import printers

    file, wanted = _place(call)
    if not file.exists():
        if wanted:
            raise CliError(f"kuberc file not found at {file}")
        call.print(f"kuberc file not found at {file}")
        sys.stdout.write("Would you like to generate a default kuberc file with recommended options? (y/N): ")
        sys.stdout.flush()
        if sys.stdin.readline().strip().lower() == "y":
            _save(call, file, _head() | RECOMMENDED)
        return 0
    data = _read(file)
    shown = data | {name: data.get(name) or [] for name in ("aliases", "defaults")}
    printers.of(call.flags["output"] or "yaml", flags=call.flags)(shown)
    return 0


def _set(call: Invocation) -> int:
    if not call.flags.changed("section"):
        raise CliError('required flag(s) "section" not set')
    file, _ = _place(call)
    _check(call.flags)
    data = _read(file) if file.exists() else _head()
    changed(data, call.flags)
    _save(call, file, data)
    return 0


def _place(call: Invocation) -> tuple[Path, bool]:
    named = call.flags["kuberc"]
    found = place(["--kuberc", named] if named else [], os.environ)
    if found is None:
        raise CliError("KUBERC is disabled via KUBERC=off environment variable")
    return found


def _head() -> Data:
    return {"apiVersion": VERSIONS[1], "kind": "Preference"}


def _read(file: Path) -> Data:
    from sampan.cli.files import YamlError, load_yaml

    try:
        data = load_yaml(file.read_text(encoding="utf-8"))
    except (OSError, YamlError) as error:
        raise CliError(f"error reading kuberc file: {error}") from None
    return data if isinstance(data, dict) else _head()


def _save(call: Invocation, file: Path, data: Data) -> None:
    from sampan.cli.goyaml import dump

    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(dump(data), encoding="utf-8")
    call.print(f"Updated {file}")


def _check(flags: Values) -> None:
    section, entries = flags["section"], flags["allowlist-entry"]
    if section not in SECTIONS:
        raise CliError(f'--section must be "defaults", "aliases", or "credentialplugin", got: {section}')
    if section == "aliases" and not flags["name"]:
        raise CliError("--name is required when --section=aliases")
    if section == "defaults" and flags["name"]:
        raise CliError("--name should not be specified when --section=defaults")
    if section == "defaults" and (flags["prependarg"] or flags["appendarg"]):
        raise CliError("--prependarg and --appendarg are only valid for --section=aliases")
    if section != "credentialplugin":
        if not flags["command"]:
            raise CliError("--command is required when --section=aliases or --section=defaults")
        return
    policy = flags["policy"]
    if not policy:
        raise CliError("--policy is required when --section=credentialplugin")
    if policy not in ("AllowAll", "DenyAll", "Allowlist"):
        raise CliError(f'invalid value for --policy: "{policy}"')
    if policy == "Allowlist" and not entries:
        raise CliError("--allowlist-entry is required when --section=credentialplugin and --policy=Allowlist")
    if policy != "Allowlist" and entries:
        raise CliError("--allowlist-entry may only be used when --section=credentialplugin and --policy=Allowlist")


def changed(data: Data, flags: Values) -> None:
    """Writes into `data` what `set` says."""
    if flags["section"] == "credentialplugin":
        data["credentialPluginPolicy"] = flags["policy"]
        if flags["policy"] == "Allowlist":
            data["credentialPluginAllowlist"] = [_allowed(entry) for entry in flags["allowlist-entry"]]
        return
    options = [_option(text) for text in flags["option"]]
    if flags["section"] == "defaults":
        entry: Data = {"command": flags["command"], "options": options}
        key, what, entries = "command", "defaults for command", data.setdefault("defaults", [])
    else:
        lists = {"prependArgs": flags["prependarg"], "appendArgs": flags["appendarg"], "options": options}
        entry = {"name": flags["name"], "command": flags["command"]}
        entry |= {name: given for name, given in lists.items() if given}
        key, what, entries = "name", "alias", data.setdefault("aliases", [])
    for at, old in enumerate(entries):
        if old.get(key) == entry[key]:
            if not flags["overwrite"]:
                verb = "exist" if key == "command" else "exists"
                raise CliError(f'{what} "{entry[key]}" already {verb}, use --overwrite to replace')
            entries[at] = old | {name: given for name, given in entry.items() if given}
            return
    entries.append(entry)


def _option(text: str) -> Data:
    name, equals, value = text.partition("=")
    if not equals:
        raise CliError(f'invalid option format "{text}", expected flag=value')
    return {"name": name.lstrip("-"), "default": value}


def _allowed(text: str) -> Data:
    field, equals, value = text.partition("=")
    if not equals:
        raise CliError(f'improperly formatted allowlist entry: "{text}"')
    if field not in ("command", "name"):
        raise CliError(f'unrecognized allowlist entry field: "{field}"')
    if not value.strip():
        raise CliError(f'empty value in allowlist entry for field "{field}"')
    return {field: value}


SET = Command(
    path="kuberc set",
    run=_set,
    summary="A verb of your own, or your defaults of a verb's flags.",
    usage="--section (defaults|aliases|credentialplugin) --command COMMAND",
    flags=(
        Flag("section", usage="defaults, aliases or credentialplugin"),
        Flag("command", usage="the verb"),
        Flag("name", usage="your own verb's name"),
        Flag("option", "array", usage="flag=value"),
        Flag("prependarg", "array", usage="an argument that stands before what is said"),
        Flag("appendarg", "array", usage="an argument that stands behind what is said"),
        Flag("policy", usage="AllowAll, DenyAll or Allowlist: which programs a kubeconfig may run"),
        Flag("allowlist-entry", "array", usage="command=PROGRAM"),
        Flag("overwrite", "bool", usage="also what is there already"),
    ),
    examples="sampan kuberc set --section defaults --command get --option output=wide\n"
    "sampan kuberc set --section aliases --name getn --command get --prependarg nodes",
)
VIEW = Command(path="kuberc view", run=_view, summary="What the kuberc file says.", flags=OUTPUT)
COMMAND = Command(
    path="kuberc", summary="Your own verbs and defaults of flags.", subcommands={"set": SET, "view": VIEW}
)
