"""Paths and methods as verbs on resources."""

from __future__ import annotations

import pytest

from sampan.apiserver.requestinfo import request_info


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/pods", "list  v1  pods  "),
        ("GET", "/api/v1/namespaces/a/pods", "list  v1 a pods  "),
        ("GET", "/api/v1/namespaces/a/pods/x", "get  v1 a pods x "),
        ("HEAD", "/api/v1/namespaces/a/pods/x", "get  v1 a pods x "),
        ("PUT", "/api/v1/namespaces/a/pods/x/status", "update  v1 a pods x status"),
        ("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch apps v1 a deployments d scale"),
        ("DELETE", "/apis/apps/v1/namespaces/a/deployments", "deletecollection apps v1 a deployments  "),
        ("DELETE", "/api/v1/nodes/n", "delete  v1  nodes n "),
        ("POST", "/api/v1/namespaces", "create  v1  namespaces  "),
        ("GET", "/api/v1/namespaces/a", "get  v1 a namespaces a "),
        ("PUT", "/api/v1/namespaces/a/finalize", "update  v1 a namespaces a finalize"),
        ("GET", "/api/v1/watch/namespaces/a/pods", "watch  v1 a pods  "),
        ("GET", "/api/v1/namespaces/a/services/http:s:80/proxy/x/y", "get  v1 a services http:s:80 proxy"),
        ("OPTIONS", "/api/v1/namespaces/a/pods/x/proxy/y", "  v1 a pods x proxy"),
        ("GET", "/api/v1/namespaces/a/pods/x%2Fy", "get  v1 a pods x/y "),
    ],
)
def test_resources(method: str, path: str, expected: str) -> None:
    info = request_info(method, path)
    assert info.is_resource
    found = " ".join((info.verb, info.group, info.version, info.namespace, info.resource, info.name, info.subresource))
    assert found == expected


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/openapi/v3/x"]
)
def test_what_is_no_resource(path: str) -> None:
    info = request_info("GET", path)
    assert not info.is_resource
    assert (info.verb, info.path) == ("get", path)


def test_watches_and_streams_are_long_running() -> None:
    assert request_info("GET", "/api/v1/pods", watch=True).long_running
    assert request_info("GET", "/api/v1/namespaces/a/pods/x/log").long_running
    assert not request_info("GET", "/api/v1/pods").long_running
    assert request_info("POST", "/api/v1/namespaces/a/pods", watch=True).verb == "create"


def test_what_follows_proxy_keeps_its_slash() -> None:
    assert request_info("GET", "/api/v1/nodes/n/proxy/a/b").rest == "a/b"
    assert request_info("GET", "/api/v1/nodes/n/proxy/a/").rest == "a/"
    assert request_info("GET", "/api/v1/nodes/n/proxy").rest == ""
