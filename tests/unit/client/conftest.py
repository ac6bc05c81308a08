from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.client.servers import Certificates, Server, make_certificates


@pytest.fixture
def web_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return make_certificates()


@pytest.fixture
def tls_server(certificates: Certificates, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(*, ask_client: bool = True) -> Server:
        started.append(Server(certificates.server_tls(tmp_path, ask_client=ask_client)))
        return started[-1]

    yield start
    for server in started:
        server.stop()
