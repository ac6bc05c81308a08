"""The tree as people read it: what, the proof under it, and at the end one thing to do."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.why.finding import Finding


def text(root: Finding) -> str:
    lines = [root.what, *_below(root, "")]
    remedy = root.remedy()
    if remedy is not None:
        lines.append("")
        alternative = remedy.advice.startswith("or ")
        lines.append(f"What to do: {remedy.advice}" if remedy.advice and not alternative else "What to do:")
        if remedy.fix:
            lines.append(f"  {remedy.fix}")
        if alternative:
            lines.append(f"({remedy.advice})")
    return "\n".join(lines) + "\n"


def _below(finding: Finding, indent: str) -> Iterator[str]:
    for number, cause in enumerate(finding.causes):
        last = number == len(finding.causes) - 1
        yield f"{indent}{'└─' if last else '├─'} {cause.what}"
        inner = f"{indent}{'   ' if last else '│  '}"
        for proof in cause.evidence:
            for line in proof.strip().splitlines():
                yield f"{inner}{'│ ' if cause.causes else '  '}{line}"
        yield from _below(cause, inner)
