"""What is where: every key's versions, without their values. Lives on the loop, so a write is decided without a read
from disk.

This is etcd's shape: a log ordered by revision holds the values, an index in memory maps keys to revisions. Each key's
newest version links to the one before it, back to the compaction revision. Nothing here waits or touches a disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sampan.storage.sortedkeys import SortedKeys

FIRST_REVISION = 1  # of an empty store, as in etcd: a list of nothing has a revision that is not 0

_ROW_OVERHEAD = 100  # what a row takes on disk beside its value, near enough for a limit


@dataclass(slots=True, eq=False)
class Version:
    """A key as one write left it. `older` is what it replaced, as long as history reaches there.

    A dataclass: a long chain of untracked msgspec objects is freed recursively and overflows the stack.
    """

    key: str
    revision: int
    create_revision: int
    deleted: bool
    expires_at: int = 0  # milliseconds since the epoch; 0: never
    size: int = 0
    older: Version | None = None


@dataclass(slots=True, frozen=True)
class CompactionStep:
    """Rows to delete so that history starts after `revision`; and what the rows up to there then count and sum up
    to."""

    revision: int
    doomed: list[int]
    kept_count: int
    kept_sum: int


class Index:
    def __init__(self, *, compact_revision: int = 0) -> None:
        self.compact_revision = compact_revision
        self.latest: dict[str, Version] = {}
        self.garbage_bytes = 0
        self.garbage_count = 0
        self._keys = SortedKeys()
        self._kept_count = 0
        self._kept_sum = 0
        # One entry per revision without a hole: entry 0 is revision _base + 1.
        self._base = max(compact_revision, FIRST_REVISION)
        self._history: list[Version] = []

    @property
    def revision(self) -> int:
        return self._base + len(self._history)

    @property
    def base(self) -> int:
        """What history starts after: the compaction revision, once a compaction is through."""
        return self._base

    def load(self, versions: Iterable[Version]) -> None:
        """Take in the next rows of a log, in revision order; `loaded` when these were the last."""
        for version in versions:
            self._link(version)
            if version.revision > self._base:
                self._history.append(version)
            else:
                self._kept_count += 1
                self._kept_sum += version.revision

    def loaded(self) -> None:
        self._keys = SortedKeys(self.latest)

    def apply(self, version: Version) -> None:
        """Take in the next revision."""
        self._link(version)
        if version.older is None:
            self._keys.add(version.key)
        self._history.append(version)

    def current(self, key: str) -> Version | None:
        """The key as it is now, unless it does not exist."""
        version = self.latest.get(key)
        return None if version is None or version.deleted else version

    def under(self, prefix: str, *, after: str | None, revision: int) -> list[Version]:
        """The keys that start with `prefix` and come after `after`, as they were at `revision`."""
        found = []
        for key in self._keys.under(prefix, after=after):
            version: Version | None = self.latest[key]
            while version is not None and version.revision > revision:
                version = version.older
            if version is not None and not version.deleted:
                found.append(version)
        return found

    def since(self, revision: int, prefix: str) -> list[Version]:
        """The writes to keys that start with `prefix`, from `revision` on, in order."""
        start = max(revision - self._base - 1, 0)
        return [version for version in self._history[start:] if version.key.startswith(prefix)]

    def compaction_step(self, *, revision: int, max_rows: int = 1000) -> CompactionStep:
        """Decide what a compaction to `revision` deletes; at most about `max_rows`, so that writes in between do not
        wait long.

        The step may therefore stop at a smaller revision.
        """
        doomed: list[int] = []
        count, total = self._kept_count, self._kept_sum
        reached = self._base
        for version in self._history[: max(revision - self._base, 0)]:
            if len(doomed) >= max_rows:
                break
            reached = version.revision
            older = version.older
            if older is not None and not older.deleted:  # a deleted one went when its own turn came
                doomed.append(older.revision)
                count, total = count - 1, total - older.revision
            if version.deleted:
                doomed.append(version.revision)
            else:
                count, total = count + 1, total + version.revision
        return CompactionStep(reached, doomed, count, total)

    def compacted(self, step: CompactionStep) -> None:
        """Take in that a step has been done."""
        length = step.revision - self._base
        for version in self._history[:length]:
            if version.older is not None:
                self.garbage_bytes -= version.older.size + _ROW_OVERHEAD
                self.garbage_count -= 1
                version.older = None
            if version.deleted and self.latest.get(version.key) is version:
                del self.latest[version.key]
                self._keys.remove(version.key)
        del self._history[:length]
        self._base = step.revision
        self.compact_revision = max(self.compact_revision, step.revision)
        self._kept_count, self._kept_sum = step.kept_count, step.kept_sum

    def revision_that_frees(self, *, share: float) -> int:
        """The revision to compact to so that about this share of the garbage goes."""
        wanted = self.garbage_bytes * share
        for version in self._history:
            if version.older is not None:
                wanted -= version.older.size + _ROW_OVERHEAD
            if wanted <= 0:
                return version.revision
        return self.revision

    def _link(self, version: Version) -> None:
        # Here and not when the write was decided: a compaction may have taken the older version away in between.
        version.older = older = self.latest.get(version.key)
        if older is not None:
            self.garbage_bytes += older.size + _ROW_OVERHEAD
            self.garbage_count += 1
        self.latest[version.key] = version
