"""What a YAML library complains of, in the words of kubectl's: `line 3: did not find expected ',' or ']'`."""

from __future__ import annotations

from typing import Any


def words(error: Any) -> str:
    """libyaml's line, as its Go port counts: from 1 in the scanner, from 0 in the parser."""
    import yaml

    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    line = 0
    if mark is not None and mark.line:
        line = mark.line + (1 if isinstance(error, yaml.scanner.ScannerError) else 0)
    elif context is not None:
        line = context.line
    problem = getattr(error, "problem", None) or "unknown problem parsing YAML content"
    return f"line {line}: {problem}" if line else str(problem)
