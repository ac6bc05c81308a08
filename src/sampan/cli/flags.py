"""Command-line flags, read the way pflag reads them, because people's fingers and scripts know that.

`-nfoo`, `-n foo`, `-n=foo`, `--namespace foo`, `--namespace=foo`, `-it`, `--wait=false`, `--`; an underscore in a long
name is a dash. Errors are worded as pflag words them. No library: a parser is a page, an import a tenth of a command.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sampan.cli.errors import FlagError

TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))
FALSE = frozenset(("0", "f", "F", "FALSE", "false", "False"))


class Flag(NamedTuple):
    """`kind`: text, bool, int, list (commas split, may repeat), array (may repeat), map (k=v), duration (seconds).

    `bare` is what the flag means when it stands without a value (`--dry-run`); a bool's is true.
    """

    name: str
    kind: str = "text"
    default: Any = None
    short: str = ""
    bare: str | None = None
    usage: str = ""

    @property
    def initial(self) -> Any:
        if self.default is not None:
            return self.default
        return _INITIAL[self.kind]() if self.kind in ("list", "array", "map") else _INITIAL[self.kind]


_INITIAL: dict[str, Any] = {
    "text": "",
    "bool": False,
    "int": 0,
    "list": list,
    "array": list,
    "map": dict,
    "duration": 0.0,
}


class Values:
    """What the flags say: `values["output"]`; `changed` tells what was said from what is the default."""

    __slots__ = ("_known", "_said", "spoken")

    def __init__(self, known: Iterable[Flag]) -> None:
        self.spoken: list[tuple[str, str]] = []
        """Names and texts, in the order of the command line."""
        self._known = {flag.name: flag for flag in known}
        self._said: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self._said[name] if name in self._said else self._known[name].initial

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self._known else default

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def changed(self, name: str) -> bool:
        return name in self._said

    def put(self, name: str, value: Any) -> None:
        """As if it had been said."""
        self._said[name] = value

    def default(self, name: str, text: str) -> bool:
        """As if it had been said, where nothing was; False: there is no such flag."""
        flag = self._known.get(name)
        if flag is not None and name not in self._said:
            self.set(flag, text)
        return flag is not None

    def set(self, flag: Flag, text: str) -> None:
        self.spoken.append((flag.name, text))
        try:
            self._said[flag.name] = _value(flag, text, self._said.get(flag.name))
        except ValueError as error:
            from sampan.api.goquote import quote

            said = f"-{flag.short}, --{flag.name}" if flag.short else f"--{flag.name}"
            raise FlagError(f'invalid argument {quote(text)} for "{said}" flag: {error}') from None


class Parsed(NamedTuple):
    values: Values
    args: list[str]
    dash: int
    """How many of `args` stand before a `--`; -1 without one."""


def parse(argv: Sequence[str], known: Iterable[Flag]) -> Parsed:
    """Raises `FlagError`. `--help` and `-h` are a flag like any other."""
    values = Values(known)
    long = {flag.name: flag for flag in values._known.values()}
    short = {flag.short: flag for flag in values._known.values() if flag.short}
    args: list[str] = []
    dash, at = -1, 0
    while at < len(argv):
        word = argv[at]
        at += 1
        if word == "--":
            dash = len(args)
            args += argv[at:]
            break
        if len(word) < 2 or word[0] != "-":
            args.append(word)
        elif word[1] == "-":
            at = _long(word, long, values, argv, at)
        else:
            at = _short(word[1:], short, values, argv, at)
    return Parsed(values, args, dash)


def command_word(argv: Sequence[str], known: Iterable[Flag]) -> int:
    """Where the first word that is no flag (nor a global flag's value) stands; -1 without one."""
    alone = set()  # a flag that nobody knows is taken for one with a value
    for flag in known:
        if _bare(flag) is not None:
            alone |= {f"--{flag.name}", f"-{flag.short}"}
    at = 0
    while at < len(argv):
        word = argv[at]
        if word == "--":
            return -1
        if not word.startswith("-") or word == "-":
            return at
        long = word.startswith("--")
        has_value = ("=" in word) if long else len(word) > 2
        at += 1 if has_value or word in alone else 2
    return -1


def _long(word: str, known: dict[str, Flag], values: Values, argv: Sequence[str], at: int) -> int:
    name, equals, text = word[2:].partition("=")
    if not name or name[0] == "-":
        raise FlagError(f"bad flag syntax: {word}")
    flag = known.get(name.replace("_", "-"))
    if flag is None:
        raise FlagError(f"unknown flag: --{name}")
    if equals:
        values.set(flag, text)
    elif (bare := _bare(flag)) is not None:
        values.set(flag, bare)
    elif at < len(argv):
        values.set(flag, argv[at])
        return at + 1
    else:
        raise FlagError(f"flag needs an argument: --{name}")
    return at


def _short(letters: str, known: dict[str, Flag], values: Values, argv: Sequence[str], at: int) -> int:
    left = letters
    while left:
        letter, rest = left[0], left[1:]
        flag = known.get(letter)
        if flag is None:
            raise FlagError(f"unknown shorthand flag: '{letter}' in -{left}")
        if len(left) > 2 and rest[0] == "=":
            values.set(flag, rest[1:])
            return at
        bare = _bare(flag)
        if bare is not None:
            values.set(flag, bare)
            left = rest
            continue
        if rest:
            values.set(flag, rest)
            return at
        if at < len(argv):
            values.set(flag, argv[at])
            return at + 1
        raise FlagError(f"flag needs an argument: '{letter}' in -{left}")
    return at


def _bare(flag: Flag) -> str | None:
    return "true" if flag.kind == "bool" and flag.bare is None else flag.bare


def _value(flag: Flag, text: str, before: Any) -> Any:
    if flag.kind == "text":
        return text
    if flag.kind == "bool":
        if text not in TRUE and text not in FALSE:
            from sampan.api.goquote import quote

            raise ValueError(f"strconv.ParseBool: parsing {quote(text)}: invalid syntax")
        return text in TRUE
    if flag.kind == "int":
        return _int(text)
    if flag.kind == "duration":
        from sampan.api import durations

        return durations.parse(text)
    if flag.kind == "array":
        return [*(before or ()), text]
    if flag.kind == "list":
        return [*(before or ()), *(_commas(text) if text else ())]
    pairs = dict(before or {})
    for pair in _commas(text) if text else ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"{pair} must be formatted as key=value")
        pairs[key] = value
    return pairs


def _int(text: str) -> int:
    try:
        return int(text, 0) if not text.startswith(("0", "-0", "+0")) or text == "0" else int(text, 8)
    except ValueError:
        from sampan.api.goquote import quote

        raise ValueError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax") from None


def _commas(text: str) -> list[str]:
    if '"' not in text:
        return text.split(",")
    import csv

    return next(csv.reader([text]))
