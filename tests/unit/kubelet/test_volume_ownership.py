"""fsGroup: what it changes, and what it must never reach."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sampan.kubelet.volumes.ownership import set_group

GROUP = os.getgid()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_group_may_write_and_new_files_inherit_it(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir(mode=0o700)
    (tmp_path / "below/file").touch(mode=0o600)
    set_group(tmp_path, GROUP)
    assert mode(tmp_path) & 0o2770 == 0o2770
    assert mode(tmp_path / "below") == 0o2770
    assert mode(tmp_path / "below/file") == 0o660


def test_of_what_is_only_read_the_group_may_read(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o400)
    set_group(tmp_path, GROUP, readonly=True)
    assert mode(tmp_path / "file") == 0o440


@pytest.mark.parametrize("top", [0o2770, 0o2750, 0o770])
def test_on_root_mismatch_looks_at_the_root_alone(tmp_path: Path, top: int) -> None:
    (tmp_path / "file").touch(mode=0o600)
    os.chown(tmp_path, -1, GROUP)
    tmp_path.chmod(top)
    set_group(tmp_path, GROUP, only_if_needed=True)
    assert mode(tmp_path / "file") == (0o600 if top == 0o2770 else 0o660)


def test_links_lead_nowhere(tmp_path: Path) -> None:
    outside, volume = tmp_path / "outside", tmp_path / "volume"
    outside.mkdir(mode=0o700)
    volume.mkdir()
    (outside / "secret").touch(mode=0o600)
    (volume / "file").symlink_to(outside / "secret")
    (volume / "folder").symlink_to(outside)
    set_group(volume, GROUP)
    assert mode(outside) == 0o700
    assert mode(outside / "secret") == 0o600
