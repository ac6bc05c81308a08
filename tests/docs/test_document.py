"""How pages are read and compared: a comparison that lets everything pass would be found out here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.document import matches, normal, read, without_comments
from tests.docs.terminal import Names, Terminal, Wrong, follow, only_looks

PAGE = """# Title

```sh
echo one
```
```text
one
```

Words.

## Next

```sh terminal=2
sleep 100
```

```yaml
kind: Pod
```
"""


def test_a_page_is_read(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    page = read(tmp_path / "page.md")
    assert [(s.command, s.expected, s.section, s.terminal) for s in page.steps] == [
        ("echo one", "one", "Title", 1),
        ("sleep 100", None, "Next", 2),
    ]
    assert page.others == [("yaml", "kind: Pod")]


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("kubia   1/1   Running   0   5s", "kubia   1/1   Running   0   12m3s"),
        ("a  10.244.0.2  b", "a  10.247.11.200  b"),
        ("kubia-6f98ff99b7-b8tg4  x", "kubia-5d96bf6f4c-zzmvq  x"),
        ("one\n…\nfour", "one\ntwo\nthree\nfour"),
        ("one\n…\nfour", "one\nfour"),
        ("Warning  Unhealthy  …cat: no such file", "Warning  Unhealthy  3s (x2 over 4s)  kubelet  cat: no such file"),
        ("", ""),
    ],
)
def test_what_may_differ(expected: str, printed: str) -> None:
    assert matches(expected, printed)


@pytest.mark.parametrize(
    ("expected", "printed"),
    [
        ("kubia   1/1   Running   0   5s", "kubia   0/1   Running   0   5s"),
        ("kubia   1/1   Running   0   5s", "kubia   1/1   Running   1   5s"),
        ("one\n…\nfour", "one\ntwo\nthree"),
        ("one", "one\ntwo"),
        ("one\ntwo", "one"),
        ("", "Error from server"),
        ("cpu: 100m", "cpu: 200m"),
        ("a.c", "abc"),
    ],
)
def test_what_may_not(expected: str, printed: str) -> None:
    assert not matches(expected, printed)


def test_prose_behind_a_command_is_not_typed() -> None:
    assert without_comments("sampan up   # in a second\n# all\nsampan get po") == "sampan up\n\nsampan get po"
    assert normal("a   5s\n\n") == "a  <age>"


def test_only_what_changes_nothing_is_typed_again() -> None:
    assert only_looks("sampan get pods\nsampan logs kubia")
    assert not only_looks("sampan delete pod kubia\nsampan get pods")


def test_a_shell_lasts_for_a_page(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("```sh\nwhere=here\n```\n```sh\necho $where\n```\n```text\nhere\n```\n")
    terminal = Terminal(tmp_path, {"PATH": "/usr/bin:/bin"})
    try:
        follow(read(tmp_path / "page.md"), terminal)
    finally:
        terminal.close()


@pytest.mark.parametrize("page", ["```sh\nfalse; true\n```\n", "```sh\necho one\n```\n```text\ntwo\n```\n"])
def test_a_page_that_is_wrong_is_found_out(tmp_path: Path, page: str) -> None:
    (tmp_path / "page.md").write_text(page)
    terminal = Terminal(tmp_path, {"PATH": "/usr/bin:/bin"})
    try:
        with pytest.raises(Wrong, match=r"line 2"):
            follow(read(tmp_path / "page.md"), terminal)
    finally:
        terminal.close()


def test_names_are_the_pages() -> None:
    names = Names("dab123", "/tmp/home")
    assert names.typed("cp x /var/lib/sampan/sampan/agent/") == "cp x /tmp/home/dab123/agent/"
    assert names.typed("echo sampan-1") == "echo dab123-1"
    assert names.shown("context sampan-dab123 of dab123-1 in /tmp/home/dab123") == (
        "context sampan of sampan-1 in /var/lib/sampan/sampan"
    )
