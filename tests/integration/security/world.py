"""A server with everything that a cluster has, and users of it."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from sampan.apiserver.bootstrap.ensure import bootstrap
from sampan.apiserver.chain import Chain
from sampan.apiserver.contracts import AUTHENTICATED, User
from sampan.apiserver.inprocess import InProcessTransport
from sampan.apiserver.request import Reply, Request, Stream
from sampan.apiserver.secure import cluster_security
from sampan.apiserver.wiring import build_for_tests
from sampan.client.api import Client

ADMIN = User(name="admin", groups=("system:masters", AUTHENTICATED))
NOBODY = User(name="nobody", groups=(AUTHENTICATED,))
RBAC = "rbac.authorization.k8s.io/v1"


class Answered(NamedTuple):
    code: int
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)

    @property
    def message(self) -> str:
        return str(self.body["message"])


class World:
    def __init__(self, chain: Chain) -> None:
        self.chain = chain

    @classmethod
    async def make(cls) -> World:
        chain = await build_for_tests(security=cluster_security(None))
        client = Client(InProcessTransport(chain, user=ADMIN))
        await bootstrap(chain.core, client)
        world = cls(chain)
        await world.make_object("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        return world

    async def ask(
        self,
        user: User | None,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        query: str = "",
        content: str = "application/json",
    ) -> Answered:
        """`user` None: whoever the headers say, as over the network."""
        headers = {"content-type": content} | ({"authorization": f"Bearer {token}"} if token else {})
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        answer = await self.chain.handle(Request(method, path, query, headers, data, user=user))
        if isinstance(answer, Stream):
            answer.frames.close()
            return Answered(answer.status, "{}")
        assert isinstance(answer, Reply)
        return Answered(answer.status, answer.body.decode("utf-8", "replace"))

    async def make_object(self, path: str, body: Any, *, user: User = ADMIN) -> Any:
        answered = await self.ask(user, "POST", path, body)
        assert answered.code == 201, answered.text
        return answered.body

    async def grant(self, name: str, user: User, rules: list[dict[str, Any]], namespace: str = "default") -> None:
        base = f"/apis/{RBAC}/namespaces/{namespace}"
        await self.make_object(f"{base}/roles", {"metadata": {"name": name}, "rules": rules})
        kind, _, account = user.name.rpartition(":")
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user.name}
        if kind.startswith("system:serviceaccount:"):
            subject = {"kind": "ServiceAccount", "namespace": kind.rpartition(":")[2], "name": account}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        binding = {"metadata": {"name": name}, "subjects": [subject], "roleRef": reference}
        await self.make_object(f"{base}/rolebindings", binding)

    async def token(self, account: str, spec: dict[str, Any] | None = None, namespace: str = "default") -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        answered = await self.make_object(path, {"spec": spec or {}})
        return str(answered["status"]["token"])

    async def pod(self, name: str, node: str = "", **spec: Any) -> Any:
        body = {
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {}), **spec},
        }
        return await self.make_object("/api/v1/namespaces/default/pods", body)


def node_user(name: str) -> User:
    return User(name=f"system:node:{name}", groups=("system:nodes", AUTHENTICATED))


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)
