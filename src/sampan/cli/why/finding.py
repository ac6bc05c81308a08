"""What a rule says: a statement, what proves it, what causes it in turn, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Finding(NamedTuple):
    code: str
    """A stable word for scripts and tests: `ImageTagMissing`."""
    what: str
    evidence: tuple[str, ...] = ()
    causes: tuple[Finding, ...] = ()
    fix: str = ""
    """A command; empty where a cause below has one."""
    advice: str = ""
    """Why this command, or what to do before it."""

    def walk(self) -> Iterator[Finding]:
        yield self
        for cause in self.causes:
            yield from cause.walk()

    def remedy(self) -> Finding | None:
        """The deepest finding that says what to do: causes before symptoms."""
        for cause in self.causes:
            found = cause.remedy()
            if found is not None:
                return found
        return self if self.fix or self.advice else None

    def data(self) -> dict[str, Any]:
        made: dict[str, Any] = {"code": self.code, "what": self.what}
        if self.evidence:
            made["evidence"] = list(self.evidence)
        if self.causes:
            made["causes"] = [cause.data() for cause in self.causes]
        if self.advice:
            made["advice"] = self.advice
        if self.fix:
            made["fix"] = self.fix
        return made
