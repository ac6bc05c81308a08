"""The pytest plugin: one cluster for a session (each xdist worker has its own), a namespace for each test."""

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
    from sampan.testing.port_forward import PortForward


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("sampan", "a Kubernetes cluster for tests")
    group.addoption("--sampan-keep", action="store_true", help="leave tests' namespaces in the cluster (with --pdb)")
    group.addoption("--sampan-nodes", type=int, help="simulated nodes: they take Pods and say that these run")
    group.addoption("--sampan-real-node", action="store_true", default=None, help="a node that runs Pods (Linux, root)")
    group.addoption("--sampan-sqlite", action="store_true", default=None, help="objects in a file, not in memory")
    parser.addini("sampan_nodes", "as --sampan-nodes", default="0")
    parser.addini("sampan_real_node", "as --sampan-real-node", type="bool", default=False)
    parser.addini("sampan_sqlite", "as --sampan-sqlite", type="bool", default=False)


def chosen(config: pytest.Config, name: str) -> int:
    """The command line's word, or else the ini file's."""
    said = config.getoption(f"--{name.replace('_', '-')}")
    return int(config.getini(name) if said is None else said)


@pytest.fixture(scope="session")
def sampan_cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A running cluster; override it in your conftest.py for one of another shape."""
    from sampan.testing.cluster import Cluster

    config = request.config
    with Cluster(
        simulated_nodes=chosen(config, "sampan_nodes"),
        real_node=bool(chosen(config, "sampan_real_node")),
        sqlite=bool(chosen(config, "sampan_sqlite")),
    ) as cluster:
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
    """`settled()` waits until scheduler, controllers and nodes have caught up, in place of a sleep."""
    return sampan_cluster.settled


@pytest.fixture
def load_image(sampan_cluster: Cluster) -> Callable[[str], None]:
    """`load_image("app.tar")` or `load_image("myapp:dev")`: into the real node."""
    return sampan_cluster.load_image


@pytest.fixture
def port_forward(sampan_cluster: Cluster, sampan_namespace: str) -> Callable[..., PortForward]:
    """`with port_forward("svc/web", 80) as port:` a local port that leads there."""
    return partial(sampan_cluster.port_forward, namespace=sampan_namespace)


def namespace_name(test: str) -> str:
    """A DNS label that says which test it is, and that no other test has."""
    words = re.sub(r"[^a-z0-9]+", "-", test.lower()).strip("-")[:40].rstrip("-")
    return f"{words or 'test'}-{uuid.uuid4().hex[:8]}"
