"""A node that has joined renews its certificates while it runs: as itself, without the token it came with."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from sampan.api.types import certificates_v1
from sampan.client.kubeconfig import load_client
from sampan.cluster import joining
from sampan.cluster.config import ClusterConfig
from sampan.cluster.join_tokens import ca_hash, create_token, info_of, prepare
from sampan.cluster.joining import Join, join
from sampan.cluster.pki import Pair
from sampan.cluster.renewal import renewing
from sampan.testing import Cluster

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a node is a Linux machine")


def serials(*pairs: Pair) -> list[int]:
    return [x509.load_pem_x509_certificate(pair.certificate.read_bytes()).serial_number for pair in pairs]


async def test_by_itself_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Cluster() as cluster:
        client = load_client(str(cluster.kubeconfig), user_agent="test")
        info = info_of(ClusterConfig(name=cluster.name), cluster.ca)
        await prepare(client, info)
        token = await create_token(client, ttl=timedelta(hours=1))
        asked = Join(
            server=cluster.url,
            node="far",
            node_ip="10.1.2.3",
            data_dir=tmp_path / "far",
            token=token,
            ca_hash=ca_hash(info.ca),
        )
        await join(asked)
        pairs = asked.client_pair, asked.serving_pair
        first = serials(*pairs)

        later = Join(server=cluster.url, node="far", node_ip="10.1.2.3", data_dir=tmp_path / "far")
        await join(later)
        assert serials(*pairs) == first, "what lasts is left alone"

        monkeypatch.setattr(joining, "RENEW_BEFORE", timedelta(days=1000))  # a year is now too near
        async with asyncio.timeout(60), renewing(lambda: join(later), every=0.05):
            while set(serials(*pairs)) & set(first):
                await asyncio.sleep(0.05)
        requests = await client.resource(certificates_v1.CertificateSigningRequest).list()
        askers = [request.spec.username for request in requests.items]
        assert set(askers) == {f"system:bootstrap:{token.partition('.')[0]}", "system:node:far"}
        assert askers.count("system:node:far") >= 3, "its first serving certificate, and both renewed"
        await client.close()
