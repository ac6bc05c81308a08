"""The kuberc file (`~/.kube/kuberc`, KUBERC, `--kuberc`): a user's own verbs and the defaults of flags.

What may go wrong is told and passed over when nobody asked for the file, and refused when somebody did.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from sampan.cli.errors import FlagError, PlainError
from sampan.cli.flags import Values
from sampan.cli.say import complain

GROUP = "kubectl.config.k8s.io/"
ALPHA = f"{GROUP}v1alpha1"
VERSIONS = (ALPHA, f"{GROUP}v1beta1", f"{GROUP}v1")


class Option(msgspec.Struct, frozen=True):
    name: str
    default: str = ""


class Defaults(msgspec.Struct, frozen=True):
    command: str
    options: list[Option] = []


class Alias(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    command: str
    prepend_args: list[str] = []
    append_args: list[str] = []
    options: list[Option] = []


class Entry(msgspec.Struct, frozen=True):
    command: str = ""
    name: str = ""


class Preference(msgspec.Struct, frozen=True, rename="camel"):
    aliases: list[Alias] = []
    defaults: list[Defaults] = []
    credential_plugin_policy: str = ""
    credential_plugin_allowlist: list[Entry] = []


class Place(NamedTuple):
    file: Path
    wanted: bool
    """Somebody named it."""


def place(argv: Sequence[str], environment: Mapping[str, str]) -> Place | None:
    """None: switched off."""
    named = _named(argv)
    variable = environment.get("KUBERC", "")
    if variable == "off":
        if named:
            raise _refused(
                "kuberc error disabling kuberc via KUBERC=off and passing kuberc flag are mutually exclusive"
            )
        return None
    if environment.get("KUBECTL_KUBERC", "").lower() in ("false", "0"):
        return None
    if named or variable:
        return Place(Path(named or variable), True)
    return Place(Path(environment.get("HOME", "/")) / ".kube" / "kuberc", False)


def _named(argv: Sequence[str]) -> str:
    for at, word in enumerate(argv):
        if word == "--":
            break
        if word == "--kuberc" or word.startswith("--kuberc="):
            value = word.partition("=")[2] if "=" in word else "".join(argv[at + 1 : at + 2])
            if not value:
                raise _refused("kuberc file is not found")
            return value
    return ""


def load(argv: Sequence[str], environment: Mapping[str, str]) -> Preference | None:
    where = place(argv, environment)
    if where is None:
        return None
    try:
        text = where.file.read_text(encoding="utf-8")
    except OSError as error:
        if where.wanted:
            raise _refused(f"kuberc error kuberc: open {where.file}: {(error.strerror or '').lower()}") from None
        return None  # most people have none
    found, attempted = None, False
    for data in _documents(text):
        attempted = True
        found = decode(data, where.file)
        if found is not None:
            break
    if found is None:
        if attempted:
            trouble = f"no valid preferences found in {where.file}, use --v=5 to see details"
            if where.wanted:
                raise _refused(f"kuberc error kuberc: {trouble}")
            complain(f"kuberc: no preferences loaded from {where.file}: {trouble}")
        return None
    _check(found)
    return found


def _documents(text: str) -> list[Any]:
    from sampan.cli.files import YamlError, load_yaml

    found: list[Any] = []
    for part in re.split(r"(?m)^---.*\n", text):
        if not part.strip():
            continue
        try:
            found.append(load_yaml(part))
        except YamlError:
            found.append(None)  # one that cannot be used, as any other
    return found


def decode(data: Any, file: Path) -> Preference | None:
    """None if it is nothing that we can read. What we do not know in it is told."""
    if not isinstance(data, dict) or data.get("kind") != "Preference" or data.get("apiVersion") not in VERSIONS:
        return None
    fields = {name: value for name, value in data.items() if name not in ("kind", "apiVersion", "metadata")}
    if data["apiVersion"] == ALPHA:
        fields = _in_todays_words(fields)
    try:
        found = msgspec.convert(fields, Preference)
    except msgspec.ValidationError:
        return None
    for name in sorted(fields.keys() - set(Preference.__struct_encode_fields__)):
        complain(f'kuberc: ignoring strict decoding error in {file}: strict decoding error: unknown field "{name}"')
    return found


def _in_todays_words(fields: dict[str, Any]) -> dict[str, Any]:
    """The first version called defaults overrides, and options flags."""
    told = {"defaults" if name == "overrides" else name: value for name, value in fields.items()}
    for section in ("aliases", "defaults"):
        for entry in told.get(section) or ():
            if isinstance(entry, dict) and "flags" in entry:
                entry["options"] = entry.pop("flags")
    return told


def _check(preference: Preference) -> None:
    seen: set[str] = set()
    for alias in preference.aliases:
        if not re.fullmatch("[a-zA-Z]+", alias.name):
            raise _refused("invalid alias name, can only include alphabetical characters")
        _check_options(alias.options)
        if alias.name in seen:
            raise _refused(f"duplicate alias name {alias.name}")
        seen.add(alias.name)
    for default in preference.defaults:
        _check_options(default.options)


def _check_options(options: Sequence[Option]) -> None:
    for option in options:
        if option.name.startswith("-"):
            raise _refused(f"flag name {option.name} should be in long form without dashes")


def unalias(
    preference: Preference, argv: list[str], at: int, verbs: Container[str]
) -> tuple[list[str], Sequence[Option] | None]:
    """The command line that one with the alias at `at` stands for, and the alias' flags; else what it was."""
    alias = next((alias for alias in preference.aliases if alias.name == argv[at]), None)
    if alias is None:
        return argv, None
    words = alias.command.split()
    if not words or words[0] not in verbs:
        raise _refused(f'command "{alias.command}" not found to set alias "{alias.name}": [{alias.command}]')
    before, after = argv[:at], argv[at + 1 :]
    return [*before, *words, *alias.prepend_args, *after, *alias.append_args], alias.options


def options_for(preference: Preference, verb: str, verbs: Container[str]) -> list[Option]:
    """The defaults of a verb's flags."""
    found: list[Option] = []
    for default in preference.defaults:
        words = default.command.split()
        if not words or words[0] not in verbs:
            complain(f'Warning: command "{default.command}" not found to set kuberc override')
        elif " ".join(words) == verb:
            found += default.options
    return found


def apply(options: Sequence[Option], flags: Values, verb: str) -> None:
    """What was not said is as the options say."""
    for option in options:
        try:
            known = flags.default(option.name, option.default)
        except FlagError as error:
            said = f"{option.default} to flag {option.name} in command {verb}"
            raise _refused(f"could not apply override value {said} err: {error.text}") from None
        if not known:
            raise _refused(f"invalid flag {option.name} for command {verb}")


def allows(preference: Preference, plugin: str, which: Callable[[str], str | None] = shutil.which) -> bool:
    """Whether a kubeconfig may run that program for its credentials."""
    policy = preference.credential_plugin_policy
    if policy != "Allowlist":
        return policy != "DenyAll"
    words = [entry.command or entry.name for entry in preference.credential_plugin_allowlist]
    return any(word == plugin or (which(word) or word) == which(plugin) for word in words)


def _refused(text: str) -> PlainError:
    return PlainError(f"error occurred while applying preferences {text}\n")
