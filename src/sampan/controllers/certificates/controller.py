"""Nodes' requests are approved when they ask for no more than a node is, and signed; users' are signed once somebody
has approved them. What has been decided goes after an hour, what nobody decides after a day.

Serving certificates are approved as well, which Kubernetes leaves to people: the names must be those of the node's
own Node, and no other Node's.
"""

from __future__ import annotations

import base64

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from sampan.api import times
from sampan.api.errors import NotFound
from sampan.api.types import authorization_v1
from sampan.api.types.certificates_v1 import (
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
)
from sampan.api.types.core_v1 import Endpoints, Node
from sampan.controllers.certificates.requests import (
    SERVING,
    SIGNERS,
    NodeRequest,
    decided,
    failed,
    may_serve,
    objection,
    parse,
    read,
    server_addresses,
    subresource,
)
from sampan.controllers.certificates.signer import Authority
from sampan.controllers.contract import Context, KeyedController

KEPT = 3600.0  # seconds
UNDECIDED = 24 * 3600.0
_ASK_AGAIN = 2.0  # seconds: the Node may not show its addresses yet
_PATIENCE = 600.0


class CertificateApproving(KeyedController):
    """Keys are requests."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = context.informer(CertificateSigningRequest)
        self.nodes = context.informer(Node)
        self.servers = context.informer(Endpoints, namespace="default", field_selector="metadata.name=kubernetes")
        self.requests.add_key_handler(self.queue.add)

    async def reconcile(self, key: str) -> float | None:
        csr = self.requests.store.by_key(key)
        if csr is None or decided(csr):
            return None
        asked = read(csr)
        if asked is None or not isinstance(asked.request.public_key(), ec.EllipticCurvePublicKey):
            return None
        if csr.spec.signerName == SERVING:
            names = [*self.config.server_names, *server_addresses(self.servers.store.list())]
            allowed = may_serve(asked, self.nodes.store.list(), names)
        else:
            allowed = await self._allowed(csr, asked)
        if not allowed:
            return (
                _ASK_AGAIN if times.parse(csr.metadata.creationTimestamp or "") + _PATIENCE > self.clock.now() else None
            )
        now = times.format(self.clock.now())
        condition = CertificateSigningRequestCondition(
            type="Approved", status="True", reason="AutoApproved", message="A node's own certificate.",
            lastUpdateTime=now, lastTransitionTime=now,
        )  # fmt: skip
        status = msgspec.structs.replace(csr.status, conditions=[*(csr.status.conditions or ()), condition])
        approved = msgspec.structs.replace(csr, status=status)
        await self.client.resource(CertificateSigningRequest).update(approved, subresource="approval")
        return None

    async def _allowed(self, csr: CertificateSigningRequest, asked: NodeRequest) -> bool:
        review = authorization_v1.SubjectAccessReview(
            spec=authorization_v1.SubjectAccessReviewSpec(
                user=csr.spec.username,
                uid=csr.spec.uid,
                groups=csr.spec.groups,
                extra=csr.spec.extra,
                resourceAttributes=authorization_v1.ResourceAttributes(
                    group="certificates.k8s.io",
                    resource="certificatesigningrequests",
                    verb="create",
                    subresource=subresource(csr, asked),
                ),
            )
        )
        answer = await self.client.resource(authorization_v1.SubjectAccessReview).create(review)
        return bool(answer.status.allowed)


class CertificateSigning(KeyedController):
    """Keys are requests. Without the CA's key it signs nothing."""

    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.authority: Authority | None = None
        if not (self.config.root_ca and self.config.ca_key):
            return
        self.authority = Authority.load(self.config.root_ca, self.config.ca_key)
        self.requests = context.informer(CertificateSigningRequest)
        self.requests.add_key_handler(self.queue.add)

    async def reconcile(self, key: str) -> float | None:
        csr = self.requests.store.by_key(key)
        if csr is None or self.authority is None:
            return None
        waits = decided(csr) == "Approved" and not csr.status.certificate and not failed(csr)
        if not waits or csr.spec.signerName not in SIGNERS:
            return await self._clean(csr)
        wrong = objection(csr)
        if wrong:
            now = times.format(self.clock.now())
            condition = CertificateSigningRequestCondition(
                type="Failed", status="True", reason="SignerValidationFailure", message=wrong,
                lastUpdateTime=now, lastTransitionTime=now,
            )  # fmt: skip
            status = msgspec.structs.replace(csr.status, conditions=[*(csr.status.conditions or ()), condition])
        else:
            pem = self.authority.sign(
                parse(csr), usages=csr.spec.usages or (), now=self.clock.now(), seconds=csr.spec.expirationSeconds
            )
            status = msgspec.structs.replace(csr.status, certificate=base64.b64encode(pem).decode())
        await self.client.resource(CertificateSigningRequest).update_status(msgspec.structs.replace(csr, status=status))
        return None

    async def _clean(self, csr: CertificateSigningRequest) -> float | None:
        kept = KEPT if decided(csr) or failed(csr) else UNDECIDED
        left = times.parse(csr.metadata.creationTimestamp or "") + kept - self.clock.now()
        if left > 0:
            return left
        try:
            requests = self.client.resource(CertificateSigningRequest)
            await requests.delete(csr.metadata.name or "", uid=csr.metadata.uid or "")
        except NotFound:
            pass
        return None
