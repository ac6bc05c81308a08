"""Which servers are asked, with which credentials."""

from __future__ import annotations

import base64
import json
import tomllib
from pathlib import Path

import pytest

from sampan.runtime.errors import ImagePullError
from sampan.runtime.images.auth import Authorizer, Challenge, challenges, credentials, docker_config_auth, serves
from sampan.runtime.images.faults import Denied, RegistryError
from sampan.runtime.images.hosts import endpoints, is_local, parse
from sampan.runtime.images.registry import may_see
from sampan.runtime.records import AuthConfig


@pytest.mark.parametrize(
    ("registry", "base"),
    [
        ("docker.io", "https://registry-1.docker.io/v2"),
        ("registry.k8s.io", "https://registry.k8s.io/v2"),
        ("localhost:5000", "http://localhost:5000/v2"),
        ("localhost", "http://localhost/v2"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000/v2"),
        ("127.8.0.1:5000", "http://127.8.0.1:5000/v2"),
        ("[::1]:5000", "http://[::1]:5000/v2"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/v2"),
        ("localhost.example:5000", "https://localhost.example:5000/v2"),
    ],
)
def test_without_a_hosts_file_the_registry_itself_is_asked(registry: str, base: str, tmp_path: Path) -> None:
    assert [e.base for e in endpoints(registry, [tmp_path])] == [base]


def test_a_hosts_file_in_order() -> None:
    document = tomllib.loads("""
        server = "https://registry-1.docker.io"
        [host."https://public.example"]
          capabilities = ["pull"]
        [host."http://10.0.0.1:5000/docker/hub"]
          override_path = true
          skip_verify = true
          dial_timeout = "500ms"
          [host."http://10.0.0.1:5000/docker/hub".header]
            x-one = "1"
            x-two = ["2", "3"]
    """)
    first, second, last = parse(document, "docker.io", Path("/certs"))
    assert (first.base, sorted(first.capabilities)) == ("https://public.example/v2", ["pull"])
    assert first.url("library/a/manifests/1") == "https://public.example/v2/library/a/manifests/1?ns=docker.io"
    assert second.base == "http://10.0.0.1:5000/docker/hub"
    assert (second.headers, second.dial_timeout) == ((("x-one", "1"), ("x-two", "2"), ("x-two", "3")), 0.5)
    assert (last.base, last.namespace, last.upstream) == ("https://registry-1.docker.io/v2", "", True)


def test_the_hub_by_its_name() -> None:
    (found,) = parse({"server": "https://docker.io"}, "docker.io", Path("/certs"))
    assert (found.base, found.namespace) == ("https://registry-1.docker.io/v2", "")


@pytest.mark.parametrize("folder", ["r.example_5000_", "r.example:5000", "_default"])
def test_where_a_hosts_file_may_be(folder: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "hosts.toml").write_text('server = "http://other:1"')
    assert [e.base for e in endpoints("r.example:5000", [tmp_path / "none", tmp_path])] == ["http://other:1/v2"]


@pytest.mark.parametrize(
    "text", ["server = ", 'server = "ftp://x"', '[host."https://a"]\ncapabilities=["fly"]', "host = 3"]
)
def test_a_broken_hosts_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r/hosts.toml").write_text(text)
    with pytest.raises(ImagePullError, match=r"failed to read .*hosts.toml: "):
        endpoints("r", [tmp_path])


def test_local_names() -> None:
    assert is_local("127.0.0.1:5000")
    assert not is_local("127.example.com")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('Basic realm="x"', [Challenge("basic", {"realm": "x"})]),
        (
            'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
            [Challenge("bearer", {"realm": "https://a/t", "service": "s", "scope": "repository:x:pull,push"})],
        ),
        (
            'Bearer realm="https://a/t" , error="invalid_token", Basic realm="q\\"q"',
            [
                Challenge("bearer", {"realm": "https://a/t", "error": "invalid_token"}),
                Challenge("basic", {"realm": 'q"q'}),
            ],
        ),
        ("Negotiate", [Challenge("negotiate", {})]),
        ("", []),
    ],
)
def test_challenges(header: str, found: list[Challenge]) -> None:
    assert challenges(header) == found


async def never(*_: object) -> tuple[int, str, bytes]:
    raise AssertionError("nothing should be asked")


async def test_basic_is_tried_once() -> None:
    authorizer = Authorizer(AuthConfig(username="u", password="p"), "", never)
    assert await authorizer.answer('Basic realm="x"', 0)
    assert authorizer.header() == "Basic " + base64.b64encode(b"u:p").decode()
    assert not await authorizer.answer('Basic realm="x"', 1)
    with pytest.raises(Denied, match="no basic auth credentials"):
        await Authorizer(None, "", never).answer('Basic realm="x"', 0)


@pytest.mark.parametrize(("body", "why"), [(b"[]", "decode"), (b"{}", "did not include a token"), (b"<", "decode")])
async def test_a_token_server_that_talks_nonsense(body: bytes, why: str) -> None:
    async def ask(*_: object) -> tuple[int, str, bytes]:
        return 200, "OK", body

    with pytest.raises(RegistryError, match=why):
        await Authorizer(None, "s", ask).answer('Bearer realm="https://a/t"', 0)


async def test_a_challenge_without_a_realm() -> None:
    with pytest.raises(RegistryError, match="no realm"):
        await Authorizer(None, "s", never).answer('Bearer realm="file:///etc/passwd"', 0)


def test_packed_credentials() -> None:
    assert credentials(AuthConfig(auth=base64.b64encode(b"u:p:q").decode())) == ("u", "p:q")
    with pytest.raises(RegistryError):
        credentials(AuthConfig(auth="!!"))


def test_whom_credentials_are_for() -> None:
    assert serves(AuthConfig(server_address="https://index.docker.io/v1/"), "registry-1.docker.io")
    assert serves(AuthConfig(), "anything")
    assert not serves(AuthConfig(server_address="a.example"), "b.example")


@pytest.mark.parametrize(
    ("key", "registry"),
    [
        ("https://index.docker.io/v1/", "docker.io"),
        ("r.example:5000", "r.example:5000"),
        ("https://r.example/v2/", "r.example"),
    ],
)
def test_dockers_configuration(key: str, registry: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {"other": {}, key: {"auth": "dTpw"}}}))
    found = docker_config_auth(registry, path)
    assert found is not None
    assert found.auth == "dTpw"
    assert docker_config_auth("nobody.example", path) is None
    assert docker_config_auth(registry, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("server_address", "upstream", "mirror"),
    [
        ("", True, False),
        ("https://index.docker.io/v1/", True, False),
        ("mirror.example", False, True),
        ("other.example", False, False),
    ],
)
def test_who_sees_credentials(server_address: str, upstream: bool, mirror: bool) -> None:
    """Also where the registry itself is said to be at another address."""
    document = {"server": "http://10.0.0.1:5000", "host": {"https://mirror.example": {}}}
    first, last = parse(document, "docker.io", Path("/certs"))
    auth = AuthConfig(username="u", server_address=server_address)
    assert may_see(last, auth, "docker.io") is upstream
    assert may_see(first, auth, "docker.io") is mirror
