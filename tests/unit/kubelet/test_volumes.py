"""Volumes: their files, how they change at once, and how containers see them."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path

import pytest

from sampan.api.types import core_v1
from sampan.kubelet.errors import ConfigFault
from sampan.kubelet.volumes import atomic
from sampan.kubelet.volumes.host_path import check_host_path
from sampan.kubelet.volumes.mounts import container_mounts
from sampan.kubelet.volumes.payload import File, PayloadFault, config_map_files, downward_files, secret_files
from sampan.kubelet.volumes.source import Source
from sampan.runtime.contract import Propagation
from tests.unit.kubelet.pods import make_pod

# --- what is in them ---

MAP = core_v1.ConfigMap(data={"k": "v", "l": "w"}, binaryData={"b": base64.b64encode(b"\x00\xff").decode()})


def test_all_keys_of_a_config_map() -> None:
    files = config_map_files(MAP, None, None, optional=False)
    assert files == {"k": File(b"v", 0o644), "l": File(b"w", 0o644), "b": File(b"\x00\xff", 0o644)}


def test_chosen_keys_with_their_own_modes() -> None:
    items = [core_v1.KeyToPath(key="k", path="sub/x", mode=0o400), core_v1.KeyToPath(key="l", path="y")]
    files = config_map_files(MAP, items, 0o600, optional=False)
    assert files == {"sub/x": File(b"v", 0o400), "y": File(b"w", 0o600)}


def test_a_mode_of_zero_is_a_mode() -> None:
    assert config_map_files(core_v1.ConfigMap(data={"k": "v"}), None, 0, optional=False)["k"].mode == 0


def test_a_key_that_is_not_there() -> None:
    items = [core_v1.KeyToPath(key="none", path="x")]
    with pytest.raises(PayloadFault, match="configmap references non-existent config key: none"):
        config_map_files(MAP, items, None, optional=False)
    with pytest.raises(PayloadFault, match="references non-existent secret key: none"):
        secret_files(core_v1.Secret(data={}), items, None, optional=False)
    assert config_map_files(MAP, items, None, optional=True) == {}
    assert config_map_files(None, None, None, optional=True) == {}


def test_the_downward_api() -> None:
    items = [
        core_v1.DownwardAPIVolumeFile(path="name", fieldRef=core_v1.ObjectFieldSelector(fieldPath="metadata.name")),
        core_v1.DownwardAPIVolumeFile(
            path="cpu",
            resourceFieldRef=core_v1.ResourceFieldSelector(containerName="a", resource="limits.cpu"),
            mode=0o400,
        ),
    ]
    files = downward_files(make_pod(), items, None, {"cpu": "3"})
    assert files == {"name": File(b"p", 0o644), "cpu": File(b"3", 0o400)}


# --- how they are written ---


def show(directory: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in directory.iterdir() if not p.name.startswith("..")}


def test_files_change_all_at_once(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, {"a": File(b"1", 0o644), "b": File(b"1", 0o644)})
    first = os.readlink(tmp_path / "..data")
    assert os.readlink(tmp_path / "a") == "..data/a"
    assert not atomic.write(tmp_path, {"a": File(b"1", 0o644), "b": File(b"1", 0o644)})
    assert os.readlink(tmp_path / "..data") == first
    assert atomic.write(tmp_path, {"a": File(b"2", 0o644), "c": File(b"2", 0o644)})
    assert show(tmp_path) == {"a": "2", "c": "2"}
    assert not (tmp_path / first).exists()


def test_files_below_folders_and_their_modes(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"x/y/z": File(b"deep", 0o400)})
    assert (tmp_path / "x/y/z").read_text() == "deep"
    assert stat.S_IMODE((tmp_path / "x/y/z").stat().st_mode) == 0o400


def test_a_writer_that_was_killed_before_the_names_were_made(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": File(b"1", 0o644)})
    (tmp_path / "a").unlink()
    assert not atomic.write(tmp_path, {"a": File(b"1", 0o644)})
    assert show(tmp_path) == {"a": "1"}


def test_what_a_killed_writer_left_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "..data_tmp").symlink_to("nowhere")
    (tmp_path / "..2026_01_01_00_00_00.half").mkdir()
    atomic.write(tmp_path, {"a": File(b"1", 0o644)})
    assert show(tmp_path) == {"a": "1"}
    assert not (tmp_path / "..2026_01_01_00_00_00.half").exists()


# --- how containers see them ---


def mounts(*wanted: core_v1.VolumeMount, readonly: bool = False, env: dict[str, str] | None = None) -> list[object]:
    container = core_v1.Container(name="a", volumeMounts=list(wanted))
    return list(container_mounts(container, {"v": Source(path=Path("/v"), readonly=readonly)}, env or {}))


def test_a_mount() -> None:
    (made,) = container_mounts(
        core_v1.Container(
            name="a",
            volumeMounts=[
                core_v1.VolumeMount(
                    name="v", mountPath="data", subPathExpr="$(POD)/x", mountPropagation="Bidirectional", readOnly=True
                )
            ],
        ),
        {"v": Source(path=Path("/v"))},
        {"POD": "p"},
    )
    assert (made.container_path, made.host_path, made.sub_path) == ("/data", "/v", "p/x")
    assert (made.readonly, made.propagation) == (True, Propagation.BIDIRECTIONAL)


@pytest.mark.parametrize("path", ["/abs", "../up", "a/../../b"])
def test_a_sub_path_never_leaves_its_volume(path: str) -> None:
    with pytest.raises(ConfigFault):
        mounts(core_v1.VolumeMount(name="v", mountPath="/x", subPath=path))
    with pytest.raises(ConfigFault):
        mounts(core_v1.VolumeMount(name="v", mountPath="/x", subPathExpr="$(E)"), env={"E": path})


def test_a_volume_or_variable_that_is_not_there() -> None:
    with pytest.raises(ConfigFault, match="cannot find volume"):
        mounts(core_v1.VolumeMount(name="w", mountPath="/x"))
    with pytest.raises(ConfigFault):
        mounts(core_v1.VolumeMount(name="v", mountPath="/x", subPathExpr="$(NONE)"))


# --- hostPath ---


def test_host_path_types(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert check_host_path(tmp_path, "Directory") == ""
    assert check_host_path(tmp_path / "file", "Directory") == f"{tmp_path / 'file'} is not a directory"
    assert check_host_path(tmp_path / "file", "File") == ""
    assert check_host_path(tmp_path / "none", "Socket") == f"{tmp_path / 'none'} is not a socket"
    assert check_host_path(tmp_path / "made", "DirectoryOrCreate") == ""
    assert (tmp_path / "made").is_dir()
    assert check_host_path(tmp_path / "made/file", "FileOrCreate") == ""
    assert check_host_path(tmp_path / "no/file", "FileOrCreate") == f"{tmp_path / 'no/file'} is not a file"
    assert check_host_path(tmp_path / "any", "") == ""
    assert (tmp_path / "any").is_dir()
