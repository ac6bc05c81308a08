"""Certificates: who may approve and sign whose requests, and when that was; which subjects nobody is given."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from sampan.api.errors import forbidden
from sampan.api.types.certificates_v1 import CertificateSigningRequest
from sampan.apiserver.admission.plugin import Plugin, concerns
from sampan.apiserver.contracts import MASTERS, AdmissionAttributes, Attributes, Authorizer
from sampan.apiserver.core import Core

GROUP, RESOURCE = "certificates.k8s.io", "certificatesigningrequests"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateRights(Plugin):
    """`approve` and `sign` are rights on signers, beside those on the requests."""

    def __init__(self, core: Core, authorizers: Sequence[Authorizer]) -> None:
        super().__init__(core)
        self._authorizers = authorizers

    async def mutate(self, attributes: AdmissionAttributes) -> None:
        """A decision without its time was made now."""
        if (attributes.info.group, attributes.info.resource, attributes.operation) != (GROUP, RESOURCE, "UPDATE"):
            return
        if attributes.subresource not in ("approval", "status"):
            return
        now = self.core.timestamp()
        before = {(c.type, c.status): c.lastTransitionTime for c in attributes.old.status.conditions or ()}
        for condition in attributes.object.status.conditions or ():
            condition.lastUpdateTime = condition.lastUpdateTime or now
            since = before.get((condition.type, condition.status)) or now
            condition.lastTransitionTime = condition.lastTransitionTime or since

    async def validate(self, attributes: AdmissionAttributes) -> None:
        info = attributes.info
        if (info.group, info.resource) != (GROUP, RESOURCE):
            return
        if concerns(attributes, RESOURCE, group=GROUP):
            self._subject(attributes)
        elif attributes.operation == "UPDATE" and attributes.subresource == "approval":
            await self._check(attributes, "approve")
        elif attributes.operation == "UPDATE" and attributes.subresource == "status":
            new, old = attributes.object.status, attributes.old.status
            if (new.certificate, new.conditions) != (old.certificate, old.conditions):
                await self._check(attributes, "sign")

    async def _check(self, attributes: AdmissionAttributes, verb: str) -> None:
        signer: str = attributes.old.spec.signerName
        domain = signer.partition("/")[0]
        for name in (signer, f"{domain}/*"):
            wanted = Attributes(verb=verb, group=GROUP, version="*", resource="signers", name=name)
            for authorizer in self._authorizers:
                decision = await authorizer.authorize(attributes.user, wanted)
                if decision.allowed:
                    return
        why = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise forbidden(RESOURCE, attributes.name, why, group=GROUP)

    @staticmethod
    def _subject(attributes: AdmissionAttributes) -> None:
        asked: CertificateSigningRequest = attributes.object
        if asked.spec.signerName == CLIENT_SIGNER and MASTERS in organisations(asked.spec.request or ""):
            why = f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
            raise forbidden(RESOURCE, attributes.name, why, group=GROUP)


def organisations(request: str) -> list[str]:
    """Of the subject that is asked for; none when it cannot be read, which validation says."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        subject = x509.load_pem_x509_csr(base64.b64decode(request)).subject
    except (ValueError, binascii.Error):
        return []
    return [str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
