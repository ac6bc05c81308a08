"""One cluster for the acceptance rows; each test has a namespace of its own."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator

import pytest

from tests.host.rows.user import User


@pytest.fixture(scope="session")
def rows_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    missing = [tool for tool in ("conmon", "catatonit", "nft", "busybox") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    made = User(tmp_path_factory.mktemp("home"), f"rows{uuid.uuid4().hex[:5]}")
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(params=["kubectl", "sampan"])
def user(rows_cluster: User, request: pytest.FixtureRequest) -> Iterator[User]:
    """Somebody who types commands in a namespace of their own: a row holds when it holds for both command lines."""
    rows_cluster.types_with(request.param)
    namespace = f"t-{uuid.uuid4().hex[:6]}"
    rows_cluster.type("create", "namespace", namespace)
    rows_cluster.namespace = namespace
    yield rows_cluster
    rows_cluster.namespace = "default"
    rows_cluster.type("delete", "namespace", namespace, "--wait=false")
