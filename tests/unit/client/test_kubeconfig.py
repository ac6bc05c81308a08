import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sampan.client import kubeconfig
from sampan.client.connection import ConnectionSettings
from sampan.client.credentials import CredentialError
from sampan.client.kubeconfig import KubeconfigError, Overrides
from sampan.client.sync_http import SyncHttpTransport
from sampan.client.transport import BadCertificates

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
    ca, cert, key = (str(tmp_path / name) for name in ("ca", "crt", "key"))
    for file in (ca, cert, key):
        Path(file).touch()
    found = settings(path, certificate_authority=ca, client_certificate=cert, client_key=key)
    assert (found.ca_file, found.ca_data, found.cert_file, found.cert_data) == (ca, b"", cert, b"")


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
    (tmp_path / "a" / "ca.crt").touch()
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
    ("flags", "text"),
    [
        ({"context": "no"}, "Error in configuration: context was not found for specified context: no"),
        ({"cluster": "no"}, 'error: no server found for cluster "no"'),
        ({"user": "no"}, 'error: auth info "no" does not exist'),
    ],
)
def test_flags_that_name_nothing(tmp_path: Path, flags: dict[str, str], text: str) -> None:
    with pytest.raises(KubeconfigError) as error:
        settings(one(tmp_path / "config"), **flags)
    assert error.value.text == text


def test_a_current_context_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError) as error:
        settings(write(tmp_path / "config", **{"current-context": "gone", "clusters": [cluster("c")]}))
    assert error.value.text == "Error in configuration: context was not found for specified context: gone"


@pytest.mark.parametrize(
    "data",
    [
        {"current-context": "x", "contexts": [context("x", "gone", "gone")]},
        {"current-context": "x", "contexts": [context("x", "c", "")], "clusters": [cluster("c", server="")]},
        {"contexts": [context("x", "c", "")], "clusters": [cluster("c")]},  # no current context
        {"current-context": ""},
    ],
)
def test_without_a_server_the_old_default_is_tried(tmp_path: Path, data: dict[str, Any]) -> None:
    assert settings(write(tmp_path / "config", **data)).server == "http://localhost:8080"


def test_a_user_that_is_gone_is_nobody(tmp_path: Path) -> None:
    data = {"current-context": "x", "contexts": [context("x", "c", "gone")], "clusters": [cluster("c")]}
    found = settings(write(tmp_path / "config", **data))
    assert (found.server, found.token) == ("https://c:6443", "")


TWO_METHODS = "more than one authentication method found for u; found [token basicAuth], only one is allowed"
NO_KEY = "client-key-data or client-key must be specified for u to use the clientCert authentication method."
EXEC = "must be specified for u to use exec authentication plugin"
NO_FILE = "no such file or directory"

UNUSABLE: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"token": "t", "username": "a"}, {}, [TWO_METHODS]),
    ({"token": "a", "username": "b", "client-certificate-data": CA}, {}, [NO_KEY, TWO_METHODS]),
    (
        {"client-certificate": "/no/crt", "client-key": "/no/key"},
        {"certificate-authority": "/no/ca"},
        [
            f"unable to read client-cert /no/crt for u due to open /no/crt: {NO_FILE}",
            f"unable to read client-key /no/key for u due to open /no/key: {NO_FILE}",
            f"unable to read certificate-authority /no/ca for c due to open /no/ca: {NO_FILE}",
        ],
    ),
    ({"exec": {"command": ""}}, {}, [f"{field} {EXEC}" for field in ("command", "apiVersion", "interactiveMode")]),
    (
        {"client-certificate-data": CA, "client-certificate": "/", "client-key": "/", "client-key-data": CA},
        {},
        [
            "client-cert-data and client-cert are both specified for u. client-cert-data will override.",
            "client-key-data and client-key are both specified for u; client-key-data will override",
        ],
    ),
    (
        {"token": "t"},
        {"proxy-url": "ftp://x"},
        ['invalid \'proxy-url\' "ftp://x" for cluster "c": unsupported scheme "ftp", must be http, https, or socks5'],
    ),
    ({"token": "t"}, {"server": "://x"}, ['host must be a URL or a host:port pair: "://x"']),
    ({"token": "t", "as-uid": "7"}, {}, ["requesting uid, groups or user-extra for u without impersonating a user"]),
    (
        {"token": "t"},
        {"insecure-skip-tls-verify": True, "certificate-authority-data": CA},
        ["specifying a root certificates file with the insecure flag is not allowed"],
    ),
    (
        {"token": "t"},
        {"certificate-authority-data": CA},
        ["unable to load root certificates: unable to parse bytes as PEM block"],
    ),
    (
        {"client-certificate-data": CA, "client-key-data": CA},
        {},
        ["tls: failed to find any PEM data in certificate input"],
    ),
    ({"tokenFile": "/no/token"}, {}, [f"open /no/token: {NO_FILE}"]),
]


def problems_of(path: str) -> list[str]:
    """What stands in the way of a first request, whoever finds it."""
    try:
        SyncHttpTransport(settings(path)).request("GET", "/", timeout=1)
    except KubeconfigError as error:
        return list(error.problems)
    except (BadCertificates, CredentialError) as error:
        return [str(error)]
    raise AssertionError("there was none")


@pytest.mark.parametrize(("user_body", "cluster_body", "problems"), UNUSABLE)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, user_body: dict[str, Any], cluster_body: dict[str, Any], problems: list[str]
) -> None:
    assert problems_of(one(tmp_path / "config", user_body, **cluster_body)) == problems


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl to compare with")
@pytest.mark.parametrize(("user_body", "cluster_body", "problems"), UNUSABLE)
def test_kubectl_says_the_same(
    tmp_path: Path, user_body: dict[str, Any], cluster_body: dict[str, Any], problems: list[str]
) -> None:
    path = one(tmp_path / "config", user_body, **cluster_body)
    asked = ["kubectl", "--kubeconfig", path, "get", "--raw", "/"]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL).stderr
    assert said == KubeconfigError(*problems).text + "\n"


def test_a_provider_that_is_no_more(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match='no Auth Provider found for name "x"'):
        settings(one(tmp_path / "config", {"auth-provider": {"name": "x"}}))


def test_flags_and_file_are_checked_together(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="more than one authentication method"):
        settings(one(tmp_path / "config", {"username": "a", "password": "b"}), token="t")
    found = settings(
        one(tmp_path / "config", {"tokenFile": "f"}, **{"tls-server-name": "old"}), server="https://s", token="t"
    )
    assert (found.token, found.token_file, found.tls_server_name) == ("t", "", "")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"stat /no/such: no such file or directory"):
        kubeconfig.load("/no/such", {})
    assert kubeconfig.load("", {"KUBECONFIG": "/no/such"}).empty


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: [", "yaml: "),
        ("{", "Input data was truncated"),
        ("clusters: 3", "json: cannot unmarshal number into Go struct field Config.clusters of type []v1.NamedCluster"),
        (
            "users:\n- name: u\n  user: {token: 123}",
            "json: cannot unmarshal number into Go struct field AuthInfo.users.user.token of type string",
        ),
        (
            "clusters:\n- name: c\n  cluster: {certificate-authority-data: 'YQ!='}",
            "illegal base64 data at input byte 2",
        ),
        (
            "users:\n- name: u\n- name: u",
            'error converting *[]NamedAuthInfo into *map[string]*api.AuthInfo: duplicate name "u" in list',
        ),
        ("kind: Pod\napiVersion: v1", 'no kind "Pod" is registered for version "v1"'),
        ("- a", "json: cannot unmarshal array into Go value of type v1.Config"),
    ],
)
def test_files_of_another_form(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "bad"
    path.write_text(content)
    with pytest.raises(KubeconfigError) as error:
        kubeconfig.load(str(path), {})
    assert error.value.text.startswith(f'error: error loading config file "{path}": {said}')


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_text("")
    assert kubeconfig.load(str(path), {}).empty


def test_what_a_plugin_is_told_of_the_cluster(tmp_path: Path) -> None:
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    plugin = {"command": "p", "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}
    body = {"certificate-authority-data": CA, "extensions": [extension]}
    found = settings(one(tmp_path / "config", {"exec": plugin}, **body))
    assert found.exec == plugin
    assert found.exec_cluster == {
        "server": "https://c:6443",
        "certificate-authority-data": CA,
        "config": {"audience": "x"},
    }
