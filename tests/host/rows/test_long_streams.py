"""What a stream outlives: keys that interrupt, windows that change, Pods that go, a terminal given back."""

from __future__ import annotations

import fcntl
import json
import os
import re
import socket
import struct
import termios
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.host.rows.user import User, pod, runs, web

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"


def test_a_shell_gets_every_key_and_every_size(user: User) -> None:
    user.make(pod("keys", runs(FOREVER)))
    user.until_ready("keys")
    with user.at_a_terminal("exec", "-it", "keys", "--", "sh", rows=24, columns=80) as terminal:
        before = termios.tcgetattr(terminal.side)
        terminal.write("stty size\n")
        terminal.until("24 80")
        fcntl.ioctl(terminal.side, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        os.kill(terminal.process.pid, 28)  # SIGWINCH: it is not in our session
        for _ in range(20):
            terminal.write("stty size\n")
            time.sleep(0.1)
        terminal.until("33 101")
        terminal.write("sleep 1000; echo woken $((40+2))\n")
        time.sleep(0.5)
        terminal.write("\x03")  # Ctrl-C interrupts what runs in there, and not the command line
        terminal.write("echo still $((1+1)) here\n")
        terminal.until("still 2 here")
        assert "woken 42" not in terminal.seen
        terminal.write("\x04")  # Ctrl-D ends the shell
        assert terminal.ends() in (0, 130)
        assert termios.tcgetattr(terminal.side) == before


def test_a_killed_command_line_gives_the_terminal_back(user: User) -> None:
    if user.command[0].endswith("kubectl") or "kubectl" in user.command[0]:
        pytest.skip("kubectl leaves it raw")
    user.make(pod("killed", runs(FOREVER)))
    user.until_ready("killed")
    with user.at_a_terminal("exec", "-it", "killed", "--", "sh", rows=24, columns=80) as terminal:
        before = termios.tcgetattr(terminal.side)
        terminal.write("echo in $((3*3))\n")
        terminal.until("in 9")
        assert termios.tcgetattr(terminal.side) != before
        terminal.process.terminate()
        assert terminal.ends() == 143
        assert termios.tcgetattr(terminal.side) == before


def test_a_forwarded_deployment_is_followed_to_its_new_pod(user: User) -> None:
    if "kubectl" in user.command[0]:
        pytest.skip("kubectl stays with its Pod")
    labels = {"app": "moving"}
    user.type(
        "apply",
        "-f",
        "-",
        given=json.dumps(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "moving"},
                "spec": {
                    "replicas": 1,
                    "selector": {"matchLabels": labels},
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {"terminationGracePeriodSeconds": 1, "containers": [web()]},
                    },
                },
            }
        ),
    )
    user.type("rollout", "status", "deploy/moving", "--timeout=60s")
    with user.behind("port-forward", "deploy/moving", ":8080") as shown:
        port = int(re.findall(r":(\d+) ->", shown.until("Forwarding from 127.0.0.1:", "-> 8080"))[0])
        first = answer(port)
        user.type("delete", "pod", "-l", "app=moving")
        user.type("rollout", "status", "deploy/moving", "--timeout=60s")
        end = time.monotonic() + 30
        while (second := answer(port)) in ("", first):
            assert time.monotonic() < end, shown.lines
            time.sleep(0.2)
        assert second.startswith("You've hit moving-")


def answer(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as response:
            return str(response.read().decode())
    except (urllib.error.URLError, OSError):
        return ""


def test_who_has_said_all_still_gets_the_answer(user: User) -> None:
    user.make(pod("counts", runs("while true; do nc -l -p 7000 -e sh -c 'wc -c'; done")))
    user.until_ready("counts")
    with user.behind("port-forward", "counts", ":7000") as shown:
        port = int(re.findall(r":(\d+) ->", shown.until("Forwarding from 127.0.0.1:", "-> 7000"))[0])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(b"x" * 1234)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b"1234\n"


def test_folders_are_copied_both_ways(user: User, tmp_path: Path) -> None:
    user.make(pod("files", runs(FOREVER)))
    user.until_ready("files")
    source = tmp_path / "source"
    (source / "deep" / "er").mkdir(parents=True)
    (source / "deep" / "er" / "big").write_bytes(os.urandom(3_000_000))
    (source / "run").write_text("#!/bin/sh\necho ran\n")
    (source / "run").chmod(0o755)
    (source / "empty").mkdir()
    user.type("cp", str(source), "files:/tmp/copy")
    assert user.inside("files", "/tmp/copy/run; ls -d /tmp/copy/empty") == "ran\n/tmp/copy/empty"
    user.type("cp", "files:/tmp/copy", str(tmp_path / "back"))
    same = ("deep/er/big", "run")
    assert all((tmp_path / "back" / name).read_bytes() == (source / name).read_bytes() for name in same)
    refused = user.try_typing("cp", "files:/nowhere", str(tmp_path / "nowhere"))
    assert "o such file or directory" in refused.stdout + refused.stderr
    assert not (tmp_path / "nowhere").exists()
