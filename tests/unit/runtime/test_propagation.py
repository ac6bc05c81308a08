"""Mounts that are to carry others both ways, on hosts where they can and where they cannot."""

from __future__ import annotations

import pytest

from sampan.runtime.errors import CreateError
from sampan.runtime.propagation import check
from sampan.runtime.records import Mount, Propagation

HOST = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:30 / /srv rw shared:5 - tmpfs t rw
31 30 0:31 / /srv/own rw - tmpfs t rw
32 27 0:32 / /with\\040space rw shared:7 - tmpfs t rw
"""


def mount(path: str, propagation: Propagation = Propagation.BIDIRECTIONAL) -> Mount:
    return Mount(container_path="/x", host_path=path, propagation=propagation)


@pytest.mark.parametrize("path", ["/srv", "/srv/data", "/with space/a"])
def test_on_a_shared_mount(path: str) -> None:
    check(mount(path), HOST)


@pytest.mark.parametrize(("path", "on"), [("/data", "/"), ("/srvs", "/"), ("/srv/own/a", "/srv/own")])
def test_where_nothing_would_come_through(path: str, on: str) -> None:
    with pytest.raises(CreateError) as refused:
        check(mount(path), HOST)
    assert str(refused.value) == f'path "{path}" is mounted on "{on}" but it is not a shared mount'


def test_one_way_needs_nothing() -> None:
    check(mount("/data", Propagation.HOST_TO_CONTAINER), HOST)
    check(mount("/data", Propagation.PRIVATE), HOST)
