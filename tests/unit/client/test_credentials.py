import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.client.connection import Address, ConnectionSettings, address_of, proxy_for
from sampan.client.credentials import CredentialError, Credentials

V1 = "client.authentication.k8s.io/v1"


def plugin(folder: Path, script: str) -> str:
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def credentials(command: str, now: list[float], **more: Any) -> Credentials:
    settings = ConnectionSettings(
        server="https://x",
        exec={"apiVersion": V1, "command": command, "interactiveMode": "Never", **more},
        exec_cluster={"server": "https://x"},
    )
    return Credentials(settings, now=lambda: now[0])


def answer(**status: str) -> str:
    body = msgspec.json.encode({"kind": "ExecCredential", "apiVersion": V1, "status": status}).decode()
    return f"echo '{body}'"


def test_a_plugins_token_is_kept_until_it_expires(tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = f'echo "$KUBERNETES_EXEC_INFO $1 $EXTRA" >> {log}\n' + answer(
        token="abc", expirationTimestamp="2026-01-01T00:00:00Z"
    )
    now = [1767225600.0 - 60]
    found = credentials(
        plugin(tmp_path, script),
        now,
        args=["arg"],
        env=[{"name": "EXTRA", "value": "more"}],
        provideClusterInfo=True,
    )
    assert found.headers() == {"authorization": "Bearer abc"}
    assert not found.needs_exec
    found.headers()
    assert len(log.read_text().splitlines()) == 1
    now[0] += 120
    found.headers()
    lines = log.read_text().splitlines()
    assert len(lines) == 2
    info, _, rest = lines[0].rpartition("} ")
    assert rest == "arg more"
    assert msgspec.json.decode(info + "}") == {
        "kind": "ExecCredential",
        "apiVersion": V1,
        "spec": {"interactive": False, "cluster": {"server": "https://x"}},
    }


def test_a_plugin_may_give_a_certificate_and_is_asked_again_after_a_refusal(tmp_path: Path) -> None:
    found = credentials(plugin(tmp_path, answer(clientCertificateData="C", clientKeyData="K")), [0.0])
    assert found.headers() == {}
    assert (found.cert, found.key) == (b"C", b"K")
    assert not found.needs_exec
    found.forget()
    assert found.needs_exec


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "failed with exit code 3"),
        ("echo no json", "decoding stdout"),
        ("echo '{}'", "plugin returned another one"),
        (answer(clientCertificateData="C"), "only certificate or key"),
        (answer(), "didn't return a token or cert/key pair"),
    ],
)
def test_plugins_that_fail(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(CredentialError, match=said):
        credentials(plugin(tmp_path, script), [0.0]).headers()


def test_a_plugin_that_is_not_there() -> None:
    with pytest.raises(CredentialError, match=r"exec: executable no-such-plugin not found\n\ninstall it"):
        credentials("no-such-plugin", [0.0], installHint="install it").headers()
    with pytest.raises(CredentialError, match='invalid apiVersion "v0"'):
        credentials("x", [0.0], apiVersion="v0").headers()


def test_token_files_are_read_again_every_minute_and_an_old_token_outlives_its_file(tmp_path: Path) -> None:
    now, file = [0.0], tmp_path / "token"
    file.write_text("one")
    found = Credentials(ConnectionSettings(server="https://x", token_file=str(file)), now=lambda: now[0])
    assert found.headers() == {"authorization": "Bearer one"}
    file.write_text("two")
    assert found.headers() == {"authorization": "Bearer one"}
    now[0] = 61
    assert found.headers() == {"authorization": "Bearer two"}
    file.unlink()
    now[0] = 200
    assert found.headers() == {"authorization": "Bearer two"}
    with pytest.raises(CredentialError, match=r"open .*token: no such file or directory"):
        Credentials(ConnectionSettings(server="https://x", token_file=str(file))).headers()


@pytest.mark.parametrize(
    ("server", "address", "authority"),
    [
        ("https://h:6443", Address("https", "h", 6443), "h:6443"),
        ("https://h", Address("https", "h", 443), "h"),
        ("h:8080", Address("http", "h", 8080), "h:8080"),
        (
            "https://[fd00::1]:6443/k8s/clusters/c/",
            Address("https", "fd00::1", 6443, "/k8s/clusters/c"),
            "[fd00::1]:6443",
        ),
    ],
)
def test_addresses(server: str, address: Address, authority: str) -> None:
    assert address_of(server) == address
    assert address.authority == authority


def test_no_address() -> None:
    with pytest.raises(ValueError, match="no address"):
        address_of("ftp://x")


@pytest.mark.parametrize(
    ("server", "env", "proxy"),
    [
        ("https://h", {"HTTPS_PROXY": "http://p:3128"}, "http://p:3128"),
        ("https://h", {"https_proxy": "p:3128"}, "http://p:3128"),
        ("http://h", {"HTTPS_PROXY": "http://p"}, ""),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": "http://p"}, ""),
        ("https://localhost", {"HTTPS_PROXY": "http://p"}, ""),
        ("https://a.example.com", {"HTTPS_PROXY": "http://p", "NO_PROXY": "x, .example.com"}, ""),
        ("https://a.example.com", {"HTTPS_PROXY": "http://p", "NO_PROXY": "example.com:80"}, "http://p"),
        ("https://10.1.2.3", {"HTTPS_PROXY": "http://p", "no_proxy": "10.0.0.0/8"}, ""),
        ("https://h", {"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, ""),
    ],
)
def test_proxies_of_the_environment(server: str, env: dict[str, str], proxy: str) -> None:
    assert proxy_for(address_of(server), "", env) == proxy
    assert proxy_for(address_of(server), "http://mine", env) == "http://mine"
