"""Section D: logs, port-forward, exec, attach and cp, with real bytes."""

from __future__ import annotations

import re
import socket
import struct
import urllib.request
from pathlib import Path

import pytest

from tests.host.rows.user import User, pod, runs, web

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"


def test_ports_are_forwarded_and_one_broken_connection_ends_nothing(user: User) -> None:
    user.make(pod("kubia-manual", web()))
    user.until_ready("kubia-manual")
    with user.behind("port-forward", "kubia-manual", ":8080", "--address=127.0.0.1,::1") as shown:
        port = int(re.findall(r":(\d+) ->", shown.until("Forwarding from 127.0.0.1:", "-> 8080"))[0])
        shown.until("Forwarding from [::1]:", "-> 8080")
        assert ask(port) == "You've hit kubia-manual\n"
        break_off(port)
        assert ask(port) == "You've hit kubia-manual\n"
        shown.until(f"Handling connection for {port}")


def test_a_service_is_forwarded(user: User) -> None:
    user.make(pod("back", web(), labels={"app": "back"}))
    user.type("expose", "pod", "back", "--port=80", "--target-port=8080")
    user.until_ready("back")
    with user.behind("port-forward", "svc/back", ":80") as shown:
        port = int(re.findall(r":(\d+) ->", shown.until("Forwarding from 127.0.0.1:", "-> 8080"))[0])
        assert ask(port) == "You've hit back\n"


def break_off(port: int) -> None:
    """A connection that ends in the middle, without a goodbye."""
    with socket.create_connection(("127.0.0.1", port)) as broken:
        broken.sendall(b"GET / HT")
        broken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def ask(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=20) as answer:
        return str(answer.read().decode())


def test_logs(user: User) -> None:
    user.make(pod("talk", runs("echo a1; echo a2; " + FOREVER), runs("echo b1; " + FOREVER, "b")))
    twice = "echo first life; test -e /v/x && exec sleep 10000; touch /v/x; exit 1"
    kept = [{"name": "v", "mountPath": "/v"}]
    user.make(pod("fell", runs(twice, volumeMounts=kept), volumes=[{"name": "v", "emptyDir": {}}]))
    user.until_ready("talk", "fell")
    done = user.try_typing("logs", "talk")
    assert (done.stdout, done.stderr) == ("a1\na2\n", 'Defaulted container "a" out of: a, b\n')
    assert user.type("logs", "talk", "-c", "b") == "b1\n"
    both = user.type("logs", "talk", "--all-containers", "--prefix", "--tail=1").splitlines()
    assert sorted(both) == ["[pod/talk/a] a2", "[pod/talk/b] b1"]
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT[\d:.]+Z a2\n", user.type("logs", "talk", "-c", "a", "--timestamps", "--tail=1")
    )
    assert user.type("logs", "talk", "-c", "a", "--since=1h") == "a1\na2\n"
    assert user.type("logs", "fell", "--previous") == "first life\n"
    assert "container nose is not valid for pod talk" in user.refused("logs", "talk", "-c", "nose")


def test_logs_are_followed_over_a_restart_of_the_writer(user: User) -> None:
    user.make(pod("writer", runs("i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done")))
    user.until_ready("writer")
    with user.behind("logs", "-f", "writer") as shown:
        shown.until("line 3")
        shown.until("line 5")


def test_exec_on_a_terminal(user: User) -> None:
    user.make(pod("shell", runs(FOREVER)))
    user.until_ready("shell")
    with user.at_a_terminal("exec", "-it", "shell", "--", "sh", rows=31, columns=91) as terminal:
        terminal.write("stty size; tty; echo $((6*7))\n")  # typed ahead of the shell
        terminal.until("31 91")
        terminal.until("/dev/pts/0")
        terminal.until("42")
        terminal.write("exit 5\n")
        assert terminal.ends() == 5


def test_attach_and_cp(user: User, tmp_path: Path) -> None:
    user.make(pod("echo", runs("while read line; do echo got $line; done; " + FOREVER, stdin=True)))
    user.until_ready("echo")
    with user.behind("attach", "-i", "echo", given="hello\n") as shown:
        shown.until("got hello")
    (tmp_path / "sent").mkdir()
    (tmp_path / "sent" / "file").write_bytes(bytes(range(256)) * 500)
    user.type("cp", str(tmp_path / "sent"), "echo:/tmp/there")
    assert user.inside("echo", "wc -c < /tmp/there/file") == "128000"
    user.type("cp", "echo:/tmp/there/file", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "sent" / "file").read_bytes()


def test_a_command_may_be_long(user: User) -> None:
    """It stands in the first line of the request, all the way to the node."""
    user.make(pod("long", runs(FOREVER)))
    user.until_ready("long")
    assert user.type("exec", "long", "--", "echo", "a" * 20_000) == "a" * 20_000 + "\n"


def test_who_comes_with_input_that_ends_leaves_and_the_container_stays(user: User) -> None:
    """`stdin` without `stdinOnce`: the next may come."""
    user.make(pod("open", runs("exec cat", stdin=True)))
    user.until_ready("open")
    for line in ("first\n", "second\n"):
        assert user.try_typing("attach", "-i", "open", given=line).returncode == 0
    user.until(lambda: user.type("logs", "open") == "first\nsecond\n")
    assert user.read("pod", "open")["status"]["phase"] == "Running"
    image = user.read("pod", "open")["spec"]["containers"][0]["image"]
    words = (
        "run",
        "gone",
        f"--image={image}",
        "--restart=Never",
        "-i",
        "--leave-stdin-open",
        "--",
        "sh",
        "-c",
        "exit 7",
    )
    assert user.try_typing(*words).returncode == 0, "how it ends is of no interest then"
