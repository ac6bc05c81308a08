import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sampan.client import kubeconfig
from sampan.client.connection import ConnectionSettings
from sampan.client.kubeconfig import KubeconfigError, Overrides

CA = base64.b64encode(b"the ca").decode()


def write(path: Path, **data: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config"} | data))
    return str(path)


def cluster(name: str, **body: Any) -> dict[str, Any]:
    return {"name": name, "cluster": {"server": f"https://{name}:6443"} | body}


def user(name: str, **body: Any) -> dict[str, Any]:
    return {"name": name, "user": body}


def context(name: str, cluster: str, user: str, **body: Any) -> dict[str, Any]:
    return {"name": name, "context": {"cluster": cluster, "user": user} | body}


def one(path: Path, user_body: dict[str, Any] | None = None, **cluster_body: Any) -> str:
    return write(
        path,
        clusters=[cluster("c", **cluster_body)],
        users=[user("u", **(user_body or {}))],
        contexts=[context("x", "c", "u", namespace="ns")],
        **{"current-context": "x"},
    )


def settings(path: str, env: dict[str, str] | None = None, **flags: Any) -> ConnectionSettings:
    return kubeconfig.settings(kubeconfig.load(path, env or {}), Overrides(**flags), env or {})


def test_a_context_gives_cluster_user_and_namespace(tmp_path: Path) -> None:
    body = {"certificate-authority-data": CA, "tls-server-name": "k", "proxy-url": "http://p"}
    found = settings(one(tmp_path / "config", {"token": "t"}, **body))
    assert (found.server, found.namespace, found.context, found.cluster) == ("https://c:6443", "ns", "x", "c")
    assert (found.ca_data, found.tls_server_name, found.proxy_url, found.token) == (b"the ca", "k", "http://p", "t")


def test_yaml_is_read_as_kubectl_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        "current-context: x\nclusters:\n- {name: c, cluster: {server: 'http://c', insecure-skip-tls-verify: true}}\n"
        "contexts:\n- name: x\n  context: {cluster: c, user: u}\n"
        "users:\n- name: u\n  user: {username: a, password: b}\n"
    )
    found = settings(str(path))
    assert (found.server, found.insecure, found.username, found.password) == ("http://c", True, "a", "b")


def test_flags_win(tmp_path: Path) -> None:
    path = one(
        tmp_path / "config",
        {"token": "t", "client-certificate-data": CA, "client-key-data": CA},
        **{"certificate-authority-data": CA},
    )
    found = settings(
        path, server="https://other", token="mine", namespace="n2", insecure=True, impersonate="jane", timeout=5
    )
    assert (found.server, found.token, found.namespace, found.timeout) == ("https://other", "mine", "n2", 5)
    assert (found.insecure, found.ca_data) == (True, b"")
    assert found.impersonation_headers() == {"impersonate-user": "jane"}
    found = settings(path, certificate_authority="/ca", client_certificate="/crt", client_key="/key")
    assert (found.ca_file, found.ca_data, found.cert_file, found.cert_data) == ("/ca", b"", "/crt", b"")


def test_of_several_files_the_first_that_says_a_thing_counts(tmp_path: Path) -> None:
    first = write(tmp_path / "a" / "config", clusters=[cluster("c", **{"certificate-authority": "ca.crt"})])
    second = write(
        tmp_path / "b" / "config",
        clusters=[cluster("c", **{"tls-server-name": "from-b"}), cluster("d")],
        users=[user("u", tokenFile="secret/token")],
        contexts=[context("x", "c", "u")],
        **{"current-context": "x"},
    )
    third = write(tmp_path / "c" / "config", **{"current-context": "y"})
    env = {"KUBECONFIG": os.pathsep.join([str(tmp_path / "missing"), first, second, first, third])}
    config = kubeconfig.load("", env)
    found = kubeconfig.settings(config, env=env)
    assert found.ca_file == str(tmp_path / "a" / "ca.crt")
    assert found.tls_server_name == ""
    assert found.token_file == str(tmp_path / "b" / "secret" / "token")
    assert config.current_context == "x"
    assert config.origins["clusters", "d"] == second
    assert kubeconfig.default_path("", env) == first


def test_the_home_file_is_the_default(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert kubeconfig.paths("", env) == [str(tmp_path / ".kube" / "config")]
    assert kubeconfig.paths("/x", env) == ["/x"]
    assert kubeconfig.default_path("", {"KUBECONFIG": "/no/a:/no/b"}) == "/no/a"


def test_without_any_configuration_the_old_default_is_tried(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path)}
    assert kubeconfig.settings(kubeconfig.load("", env), env=env).server == "http://localhost:8080"
    env["KUBERNETES_MASTER"] = "https://master"
    assert kubeconfig.settings(kubeconfig.load("", env), env=env).server == "https://master"


def test_inside_a_pod(tmp_path: Path) -> None:
    for name, content in (("token", "t"), ("namespace", "prod"), ("ca.crt", "c")):
        (tmp_path / name).write_text(content)
    env = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    found = kubeconfig.in_cluster(env, str(tmp_path))
    assert found is not None
    assert (found.server, found.namespace) == ("https://[fd00::1]:443", "prod")
    assert (found.token_file, found.ca_file) == (str(tmp_path / "token"), str(tmp_path / "ca.crt"))
    assert kubeconfig.in_cluster({}, str(tmp_path)) is None


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"context": "no"}, 'context "no" does not exist'),
        ({"cluster": "no"}, 'cluster "no" does not exist'),
        ({"user": "no"}, 'auth info "no" does not exist'),
    ],
)
def test_flags_that_name_nothing(tmp_path: Path, flags: dict[str, str], said: str) -> None:
    with pytest.raises(KubeconfigError) as error:
        settings(one(tmp_path / "config"), **flags)
    assert str(error.value) == said


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"current-context": "gone", "clusters": [cluster("c")]}, "context was not found for specified context: gone"),
        ({"current-context": "x", "contexts": [context("x", "c", "u")]}, 'cluster "c" was not found for context "x"'),
        (
            {"current-context": "x", "contexts": [context("x", "c", "u")], "clusters": [cluster("c")]},
            'user "u" was not found for context "x"',
        ),
        (
            {"current-context": "x", "contexts": [context("x", "c", "")], "clusters": [cluster("c", server="")]},
            'no server found for cluster "c"',
        ),
    ],
)
def test_broken_references(tmp_path: Path, data: dict[str, Any], said: str) -> None:
    with pytest.raises(KubeconfigError, match=said):
        settings(write(tmp_path / "config", **data))


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"token": "t", "username": "a"},
            r"more than one authentication method found for u; found \[token basicAuth\]",
        ),
        ({"client-certificate-data": CA}, "client-key-data or client-key must be specified for u"),
        ({"client-certificate": "/no/crt", "client-key": "/no/key"}, "unable to read client-cert /no/crt for u due to"),
        ({"auth-provider": {"name": "gcp"}}, 'no Auth Provider found for name "gcp"'),
        ({"client-certificate-data": "!", "client-key-data": CA}, "is not base64"),
    ],
)
def test_users_that_cannot_be_used(tmp_path: Path, body: dict[str, Any], said: str) -> None:
    with pytest.raises(KubeconfigError, match=said):
        settings(one(tmp_path / "config", body))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"stat /no/such: no such file or directory"):
        kubeconfig.load("/no/such", {})
    bad = tmp_path / "bad"
    bad.write_text("a: [")
    with pytest.raises(KubeconfigError, match=f'error loading config file "{bad}": yaml: '):
        kubeconfig.load(str(bad), {})
    bad.write_text("clusters: 3")
    with pytest.raises(KubeconfigError, match="cannot unmarshal clusters"):
        kubeconfig.load(str(bad), {})
    bad.write_text("")
    assert kubeconfig.load(str(bad), {}).empty


def test_what_a_plugin_is_told_of_the_cluster(tmp_path: Path) -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    path = one(
        tmp_path / "config", {"exec": {"command": "p"}}, **{"certificate-authority-data": CA, "extensions": [extension]}
    )
    found = settings(path)
    assert found.exec == {"command": "p"}
    assert found.exec_cluster == {
        "server": "https://c:6443",
        "certificate-authority-data": CA,
        "config": {"audience": "x"},
    }
