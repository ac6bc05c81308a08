"""`sampan server --join`: a further server of a cluster on etcd, from an address, a token, a hash and a key.

The cluster's own side (`offer`) puts what the newcomer needs where only the bearer of the token may read it; the
newcomer's (`join_server`) trusts the CA by its hash, fetches that, opens it with the key, and is then as the first
server is: it signs its own certificates and opens the same datastore.
"""

from datetime import timedelta

from msgspec import Struct

from sampan.api.errors import ApiError
from sampan.api.types import core_v1, meta_v1, rbac_v1
from sampan.client.api import Client
from sampan.client.connection import ConnectionSettings
from sampan.client.http import connect
from sampan.client.transport import TransportError
from sampan.cluster import config as configs
from sampan.cluster import kubeconfigs, server_bundle
from sampan.cluster.config import ClusterConfig
from sampan.cluster.datastores import ETCD
from sampan.cluster.join_tokens import NAMESPACE, SECRET, create_token
from sampan.cluster.joining import JoinFailed, known_cluster
from sampan.cluster.paths import ClusterPaths
from sampan.cluster.pki import Pki

BUNDLE = "sampan-server-"
TTL = timedelta(hours=2)
_RBAC = "rbac.authorization.k8s.io"


class ServerJoin(Struct, kw_only=True):
    """What the machine was told on the command line."""

    server: str
    token: str
    ca_hash: str
    key: str
    port: int = 0  # as the first server's
    address: str = ""


async def offer(
    client: Client, config: ClusterConfig, pki: Pki, *, ttl: timedelta, description: str
) -> tuple[str, str]:
    """The token and the key of a new join line."""
    if not config.datastore.startswith(ETCD):
        raise JoinFailed("a cluster on SQLite has one server; `sampan datastore copy` moves it to etcd")
    token = await create_token(client, ttl=ttl, description=description, joins_nodes=False)
    key = server_bundle.new_key()
    identity = token.partition(".")[0]
    owner = await client.resource(core_v1.Secret).get(SECRET + identity, namespace=NAMESPACE)
    meta = meta_v1.ObjectMeta(
        name=BUNDLE + identity,
        namespace=NAMESPACE,
        ownerReferences=[
            meta_v1.OwnerReference(apiVersion="v1", kind="Secret", name=SECRET + identity, uid=owner.metadata.uid or "")
        ],
    )
    sealed = server_bundle.seal(server_bundle.pack(config, pki), key)
    await client.resource(core_v1.Secret).create(core_v1.Secret(metadata=meta, data=server_bundle.as_data(sealed)))
    rule = rbac_v1.PolicyRule(apiGroups=[""], resources=["secrets"], resourceNames=[BUNDLE + identity], verbs=["get"])
    await client.resource(rbac_v1.Role).create(rbac_v1.Role(metadata=meta, rules=[rule]))
    await client.resource(rbac_v1.RoleBinding).create(
        rbac_v1.RoleBinding(
            metadata=meta,
            roleRef=rbac_v1.RoleRef(apiGroup=_RBAC, kind="Role", name=BUNDLE + identity),
            subjects=[rbac_v1.Subject(apiGroup=_RBAC, kind="User", name=f"system:bootstrap:{identity}")],
        )
    )
    return token, key


async def join_server(paths: ClusterPaths, asked: ServerJoin) -> ClusterConfig:
    """Writes this machine's configuration. Raises `JoinFailed`."""
    try:
        info = await known_cluster(asked.server, asked.ca_hash)
        settings = ConnectionSettings(server=asked.server, ca_data=info.ca.encode(), token=asked.token)
        client = connect(settings, user_agent="sampan-join")
        try:
            name = BUNDLE + asked.token.partition(".")[0]
            found = await client.resource(core_v1.Secret).get(name, namespace=NAMESPACE)
        finally:
            await client.close()
        bundle = server_bundle.unseal(server_bundle.from_data(found.data), asked.key)
    except (ApiError, TransportError, server_bundle.WrongKey) as error:
        raise JoinFailed(f"joining {asked.server} failed: {error}") from error
    pki = Pki(paths.pki)
    config = server_bundle.unpack(bundle, pki, name=paths.name, port=asked.port, address=asked.address)
    pki.ensure(config, {})
    kubeconfigs.write_own(paths, config, pki)
    configs.save(paths, config)
    return config
