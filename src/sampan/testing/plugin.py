"""The pytest plugin: one control plane for a session (each xdist worker has its own), a namespace for each test."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sampan.testing.cluster import Cluster


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sampan")
    group.addoption("--sampan-keep", action="store_true", help="leave tests' namespaces in the cluster (with --pdb)")


@pytest.fixture(scope="session")
def sampan_cluster() -> Iterator[Cluster]:
    """A running control plane."""
    from sampan.testing.cluster import Cluster

    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def sampan_namespace(request: pytest.FixtureRequest, sampan_cluster: Cluster) -> Iterator[str]:
    """The name of a namespace that this test alone has."""
    name = namespace_name(request.node.name)
    sampan_cluster.create_namespace(name)
    yield name
    if not request.config.getoption("--sampan-keep"):
        sampan_cluster.delete_namespace(name)


@pytest.fixture
def kubeconfig(sampan_cluster: Cluster, sampan_namespace: str) -> Path:
    """The administrator's, beginning in the test's namespace."""
    return sampan_cluster.kubeconfig_for(sampan_namespace)


@pytest.fixture
def kubectl(kubeconfig: Path) -> Callable[..., str]:
    """`kubectl("get", "pods")` answers its output; raises `sampan.testing.KubectlError`."""
    from sampan.testing.kubectl import kubectl as run

    return partial(run, kubeconfig)


@pytest.fixture
def settled(sampan_cluster: Cluster) -> Callable[..., None]:
    """`settled()` waits until the controllers have caught up, in place of a sleep."""
    return sampan_cluster.settled


def namespace_name(test: str) -> str:
    """A DNS label that says which test it is, and that no other test has."""
    words = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:40].rstrip("-")
    return f"{words or 'test'}-{uuid.uuid4().hex[:8]}"
