"""The node's own log files, and nothing beside them."""

from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sampan.kubelet.server import node_logs


async def test_files_and_an_index_of_them(tmp_path: Path) -> None:
    logs = tmp_path / "log"
    (logs / "pods").mkdir(parents=True)
    (logs / "syslog").write_text("booted\n")
    (tmp_path / "secret").write_text("s")
    (logs / "way-out").symlink_to(tmp_path / "secret")
    app = web.Application()
    app.add_routes(node_logs.routes(logs))
    async with TestClient(TestServer(app)) as client:
        index = await client.get("/logs/")
        assert index.status == 200
        assert "syslog" in await index.text()
        assert await (await client.get("/logs/syslog")).text() == "booted\n"
        for beside in ("/logs/way-out", "/logs/../secret", "/logs/%2e%2e/secret", "/logs/none"):
            assert (await client.get(beside)).status in (403, 404), beside


def test_a_node_without_them_has_no_such_address(tmp_path: Path) -> None:
    assert node_logs.routes(tmp_path / "none") == []
