"""Writes into pages what their commands print now: `python -m tests.docs.refresh docs/learn/*.md`.

The pages are followed in order on one cluster. Only empty `text` blocks are filled, with --all also those that are no
longer true.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.docs.document import Step, matches, read
from tests.docs.reader import newcomer
from tests.docs.terminal import only_looks


def fresh(step: Step, said: str, *, everything: bool) -> str:
    assert step.expected is not None
    if step.expected and (matches(step.expected, said) or not everything):
        if not matches(step.expected, said):
            print(f"not so: {step.command}\n{said}")
        return step.expected
    return said.strip("\n")


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="sampan-docs-") as folder, newcomer(Path(folder)) as reader:
        everything = "--all" in sys.argv
        for path in (Path(word) for word in sys.argv[1:] if word != "--all"):
            page, lines, shift, section = read(path), path.read_text(encoding="utf-8").splitlines(), 0, ""
            terminal = reader.terminal()
            for step in page.steps:
                if step.section != section:
                    section = step.section
                    terminal.interrupt(2)
                if step.terminal > 1:
                    terminal.begin(step.terminal, step.command)
                    continue
                well, said = terminal.type(step.command)
                expected = step.expected or ""
                tries = 0 if step.expected is None or not expected else 25
                while tries and not matches(expected, said) and only_looks(step.command):
                    terminal.type("sleep 0.2")
                    well, said = terminal.type(step.command)
                    tries -= 1
                if step.expected is None:
                    if not well:
                        sys.exit(f"{path}:{step.line}: fails: {step.command}\n{said}")
                    continue
                new = fresh(step, said, everything=everything).splitlines()
                begin, end = step.expected_at
                lines[begin + shift : end + shift] = new
                shift += len(new) - (end - begin)
            terminal.close()
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
