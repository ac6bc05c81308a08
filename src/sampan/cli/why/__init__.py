"""`why KIND/NAME`: from the symptom to its causes, with the evidence, and the command that fixes it.

`facts` is what is known (public API data, so any Kubernetes will do), one module a family holds the rules (pure: facts
in, findings out), `kinds` says which rules speak for which kind, `render` prints, `verb` does the asking.
"""

from __future__ import annotations

from sampan.cli.why.verb import COMMAND

__all__ = ["COMMAND"]
