"""Client certificates: the subject's common name is the user, its organisations are the groups.

TLS has verified the certificate against the client CA before anything of this runs.
"""

from __future__ import annotations

from sampan.apiserver.contracts import AUTHENTICATED, User
from sampan.apiserver.request import Request


class ClientCertificates:
    async def authenticate(self, request: Request) -> User | None:
        connection = request.connection
        if connection is None:
            return None
        memo = connection.memo
        if "user" not in memo:
            certificate = connection.peer_certificate
            memo["user"] = user_of(certificate) if certificate else None
        user: User | None = memo["user"]
        return user


def user_of(certificate: bytes) -> User | None:
    from cryptography.x509 import load_der_x509_certificate
    from cryptography.x509.oid import NameOID

    subject = load_der_x509_certificate(certificate).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if not names or not names[0].value:
        return None
    groups = tuple(str(a.value) for a in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    return User(name=str(names[0].value), groups=(*groups, AUTHENTICATED))
