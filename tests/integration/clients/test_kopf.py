"""A kopf operator: it sees its objects, patches them, holds a finalizer, and outlives a server that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Served, until
from .test_python_client import DEFINITION

pytest.importorskip("kopf", reason="kopf is not installed")
kubernetes = pytest.importorskip("kubernetes", reason="the Python client is not installed")

OPERATOR = """
import kopf

@kopf.on.create('example.com', 'v1', 'boats')
def built(spec, patch, **_):
    patch.status['built'] = spec.get('sails', 0)

@kopf.on.update('example.com', 'v1', 'boats', field='spec.sails')
def refitted(new, patch, **_):
    patch.status['refitted'] = new

@kopf.on.delete('example.com', 'v1', 'boats')
def sunk(**_):
    pass
"""
WHERE = ("example.com", "v1", "default", "boats")


@pytest.fixture
def operator(served: Served, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    (tmp_path / "operator.py").write_text(OPERATOR)
    kubernetes.config.load_kube_config(str(served.kubeconfig))
    kubernetes.client.ApiextensionsV1Api().create_custom_resource_definition(DEFINITION)
    command = [sys.executable, "-m", "kopf", "run", str(tmp_path / "operator.py"), "--namespace=default"]
    environment = {**os.environ, "KUBECONFIG": str(served.kubeconfig)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield process
    process.terminate()
    process.wait(20)


def _boat(name: str) -> dict[str, Any]:
    custom = kubernetes.client.CustomObjectsApi()
    try:
        found: dict[str, Any] = custom.get_namespaced_custom_object(*WHERE, name)
    except (kubernetes.client.exceptions.ApiException, OSError) as error:
        return {"missing": str(error)}
    return found


def test_an_operator_outlives_its_server(served: Served, operator: subprocess.Popen[bytes]) -> None:
    custom = kubernetes.client.CustomObjectsApi()
    boat = {"apiVersion": "example.com/v1", "kind": "Boat", "metadata": {"name": "a"}, "spec": {"sails": 2}}

    def launched() -> bool:
        try:
            custom.create_namespaced_custom_object(*WHERE, boat)
        except kubernetes.client.exceptions.ApiException as error:
            return bool(error.status == 409)
        return True

    until(launched)
    until(lambda: _boat("a").get("status", {}).get("built") == 2, 30)
    assert _boat("a")["metadata"]["finalizers"] == ["kopf.zalando.org/KopfFinalizerMarker"]
    served.stop(signal.SIGKILL)
    served.start()
    custom.patch_namespaced_custom_object(*WHERE, "a", {"spec": {"sails": 5}})
    until(lambda: _boat("a").get("status", {}).get("refitted") == 5, 60)
    custom.delete_namespaced_custom_object(*WHERE, "a")
    until(lambda: "missing" in _boat("a"), 30)
    assert operator.poll() is None
