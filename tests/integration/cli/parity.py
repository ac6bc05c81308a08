"""Command lines with the newest kubectl on the machine and with `sampan`, against the same server and state.

    python -m tests.integration.cli.parity [WORD …]      prints what differs (of lines that hold a WORD)

`lines/*.txt` only read, or write with --dry-run, so that both find the same world (`files/manifest.yaml`). Those of
`lines/sequences/*.txt` change things: each tool runs them in order in a namespace and with a kubeconfig of its own.
kubectl runs as a process; `sampan` in a fork of this one, which is the same but for the interpreter's start.
"""

from __future__ import annotations

import base64
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.integration.cli.golden_replay import cluster
from tests.integration.cli.golden_replay import newest_kubectl as kubectl

HERE = Path(__file__).parent
LINES, FILES = HERE / "lines", HERE / "files"
SECONDS = 60
UNORDERED = re.compile(r" --list\b|^config get-|^set env .* --from=")
"""Where kubectl writes the keys of a map as they come, which is at random."""


class Outcome(NamedTuple):
    code: int
    stdout: str
    stderr: str


class Difference(NamedTuple):
    line: str
    told: str


class Tool:
    """One of the two, with a folder of files, a kubeconfig and a namespace for its sequences."""

    def __init__(self, name: str, program: str, root: Path, kubeconfig: Path) -> None:
        self.name = name
        self._program = program
        self.folder = root / name
        shutil.copytree(FILES, self.folder)
        (self.folder / "emptyfolder").mkdir()
        self.config = self.folder / "kubeconfig"
        self._kubeconfig = kubeconfig.read_text()
        self.config.write_text(self._kubeconfig)
        keep_certificate(kubeconfig.read_text(), self.folder)
        self.env = os.environ | {
            "KUBECONFIG": str(self.config),
            "KUBECACHEDIR": str(root / f".cache-{name}"),
            "HOME": "/nonexistent",
            "KUBE_EDITOR": "false",
            "TZ": "UTC",
        }

    def use_namespace(self, namespace: str) -> None:
        self.config.write_text(re.sub(r"namespace: \S+", f"namespace: {namespace}", self._kubeconfig))

    def start(self, words: Sequence[str]) -> Running:
        """Words such as `KUBE_EDITOR=…` before the first are the environment's, as in a shell."""
        env, rest = dict(self.env), list(words)
        while rest and (found := re.match(r"([A-Z_]+)=(.*)", rest[0], re.DOTALL)):
            env[found[1]] = found[2]
            del rest[0]
        return Running(self._begin(rest, env), self)

    def _begin(self, words: Sequence[str], env: dict[str, str]) -> subprocess.Popen[bytes] | Fork:
        if self._program:
            return subprocess.Popen(
                [self._program, *words],
                cwd=self.folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        return Fork(words, self.folder, env)


class Fork:
    """`sampan` in a child of this process."""

    def __init__(self, words: Sequence[str], folder: Path, env: dict[str, str]) -> None:
        self._files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - closed when they have been read
        sys.stdout.flush()
        sys.stderr.flush()
        self._pid = os.fork()
        if not self._pid:
            os._exit(self._child(words, folder, env))

    def _child(self, words: Sequence[str], folder: Path, env: dict[str, str]) -> int:
        import io
        import signal

        signal.alarm(SECONDS)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, file in enumerate(self._files, 1):
            os.dup2(file.fileno(), number)
        sys.stdin = io.TextIOWrapper(os.fdopen(0, "rb", closefd=False))
        sys.stdout = io.TextIOWrapper(os.fdopen(1, "wb", closefd=False), encoding="utf-8", errors="surrogateescape")
        sys.stderr = io.TextIOWrapper(
            os.fdopen(2, "wb", 0, closefd=False), encoding="utf-8", errors="surrogateescape", write_through=True
        )
        os.environ.clear()
        os.environ.update(env)
        os.chdir(folder)
        try:
            from sampan.cli.main import run

            code = run(list(words))
            sys.stdout.flush()
            return code
        except BaseException:
            traceback.print_exc()
            return 1

    def communicate(self, timeout: float) -> tuple[bytes, bytes]:
        del timeout  # the child has an alarm of its own
        _, status = os.waitpid(self._pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        told = []
        for file in self._files:
            with file:
                file.seek(0)
                told.append(file.read())
        return told[0], told[1]


class Running(NamedTuple):
    process: subprocess.Popen[bytes] | Fork
    tool: Tool

    def outcome(self) -> Outcome:
        told = self.process.communicate(timeout=SECONDS)
        out, err = (normal(text.decode(errors="replace"), self.tool) for text in told)
        return Outcome(self.process.returncode, out, err)


def lines_of(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            yield line


def normal(text: str, tool: Tool) -> str:
    """Without what is another at every run, or in another version of kubectl."""
    text = text.replace(str(tool.folder), "<folder>").replace(f"parity-{tool.name}", "<namespace>")
    text = re.sub(r"kubectl\.1\.\d+", "kubectl", text).replace("jsonpath-file,kyaml", "jsonpath-file")
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>", text)
    text = re.sub(r'(resourceVersion"?: )"\d+"', r'\1"<rv>"', text)
    text = re.sub(r"\b(\d+[smhd]){1,2}\b", "<age>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>", text)
    text = re.sub(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000", "<time>", text)
    text = re.sub(r"[EWI]\d{4} \d\d:\d\d:\d\d\.\d+ .*\n", "", text)  # the log of kubectl's libraries
    text = re.sub(r"(LIVE|MERGED)-\w+", r"\1", text)
    text = re.sub(r"(?<= replica set )(\w+)-[0-9a-z]{6,10}\b", r"\1-<hash>", text)
    text = re.sub(r"edit-\w+\.", "edit-<x>.", text)
    text = re.sub(r"<namespace>-\w+", "<namespace>", text)
    text = re.sub(r'(" (?:force )?deleted) from \S+ namespace', r"\1", text)  # newer than the newest here may be
    text = re.sub(r'(?m)^ *creationTimestamp: null\n|,?\n *"creationTimestamp": null(?=,?\n)', "", text)  # older
    text = re.sub(r"(?m)^(preferences: \{\}|    \"preferences\": \{\},)\n", "", text)
    text = re.sub(r"(?m)^(Mountable secrets|Tokens|Time Zone):.*\n", "", text)
    text = re.sub(r"(?m)^( *metadata:) \{\}$", r"\1", text)
    text = re.sub(r"\bkubectl\.1\.\d+\b", "kubectl", text)  # a program tells itself by its file's name
    # Help is in our own words.
    text = re.sub(r"(?s)^.*\nUsage:\n.*|^The following options.*|^The flags of every verb.*", "<help>\n", text)
    text = re.sub(r"(?s)(?<=====\n).*?(?=\n\nBinaryData)", _sorted_data, text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ \+0000", "<time>", text)
    return re.sub(r"WARNING: version difference.*\n", "", re.sub(r" +(?=\n)|(?<=\S) {2,}", "  ", text))


def _sorted_data(data: re.Match[str]) -> str:
    """Before 1.36 describe shows the keys of a ConfigMap in no order."""
    blocks = re.split(r"(?m)^(?=\S+:\n----\n)", data[0])
    return "".join(sorted(block.strip("\n") + "\n" for block in blocks))


def keep_certificate(kubeconfig: str, folder: Path) -> None:
    """`cert.pem` and `key.pem`: the user's own, since no key is kept with the tests."""
    for field, name in (("client-certificate-data", "cert.pem"), ("client-key-data", "key.pem")):
        found = re.search(rf"{field}: (\S+)", kubeconfig)
        assert found, field
        (folder / name).write_bytes(base64.b64decode(found[1]))


@contextmanager
def tools() -> Iterator[tuple[Tool, Tool]]:
    """(kubectl, sampan), with the world of `manifest.yaml` made."""
    import sampan.cli.get
    import sampan.client.sync_api  # noqa: F401 - imported once for all forks

    with cluster() as kubeconfig, tempfile.TemporaryDirectory() as folder:
        theirs = Tool("kubectl", kubectl(), Path(folder), kubeconfig)
        ours = Tool("sampan", "", Path(folder), kubeconfig)
        for words in (
            "create namespace demo",
            "wait --for=create serviceaccount/default --timeout=20s",
            "apply -f manifest.yaml",
        ):
            made = theirs.start(words.split()).outcome()
            assert not made.code, made.stderr
        yield theirs, ours


def compare(wanted: Sequence[str] = ()) -> tuple[int, list[Difference]]:
    """(lines that are the same, what differs)."""
    same, different = 0, []
    with tools() as both:
        for name, line in _all_lines(both):
            if wanted and not any(word in line or word == name for word in wanted):
                continue
            running = [tool.start(shlex.split(line)) for tool in both]
            theirs, ours = (one.outcome() for one in running)
            if theirs == ours or (UNORDERED.search(line) and _sorted(theirs) == _sorted(ours)):
                same += 1
            else:
                different.append(Difference(line, _difference(theirs, ours)))
    return same, different


def _sorted(outcome: Outcome) -> tuple[int, list[str], list[str]]:
    return outcome.code, sorted(outcome.stdout.splitlines()), sorted(outcome.stderr.splitlines())


def _all_lines(both: tuple[Tool, Tool]) -> Iterator[tuple[str, str]]:
    for path in sorted(LINES.glob("*.txt")):
        yield from ((path.stem, line) for line in lines_of(path))
    for path in sorted((LINES / "sequences").glob("*.txt")):
        for tool in both:
            tool.start(["create", "namespace", f"parity-{tool.name}-{path.stem}"]).outcome()
            tool.use_namespace(f"parity-{tool.name}-{path.stem}")
        yield from ((path.stem, line) for line in lines_of(path))


def _difference(theirs: Outcome, ours: Outcome) -> str:
    import difflib

    told = [] if theirs.code == ours.code else [f"exit code {ours.code}, kubectl's {theirs.code}"]
    for what, left, right in (("stdout", theirs.stdout, ours.stdout), ("stderr", theirs.stderr, ours.stderr)):
        if left != right:
            shown = difflib.unified_diff(left.splitlines(), right.splitlines(), "kubectl", "sampan", lineterm="", n=0)
            told.append(f"{what}:\n" + "\n".join(shown))
    return "\n".join(told)


if __name__ == "__main__":
    count, differing = compare(sys.argv[1:])
    for line, told in differing:
        print(f"### {line}\n{told}")
    print(f"{count} the same, {len(differing)} not", file=sys.stderr)
