"""A client with all rights that shows what most clients show: a ServiceAccount's token, bound to a role by RBAC."""

from __future__ import annotations

import json

from sampan.client.transport import Transport

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


async def make_administrator(transport: Transport) -> str:
    """Its token. `transport` may do everything already."""

    async def post(path: str, body: dict[str, object]) -> bytes:
        answer = await transport.request("POST", path, body=json.dumps(body).encode())
        assert answer.status in (201, 409), answer.body
        return bytes(answer.body)

    await post(ACCOUNTS, {"metadata": {"name": "default"}})  # nobody else makes it where no controllers run
    await post(ACCOUNTS, {"metadata": {"name": "bench"}})
    subject = {"kind": "ServiceAccount", "name": "bench", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    await post(BINDINGS, {"metadata": {"name": "bench"}, "roleRef": role, "subjects": [subject]})
    made = json.loads(await post(f"{ACCOUNTS}/bench/token", {"spec": {"expirationSeconds": 86400}}))
    token: str = made["status"]["token"]
    return token
