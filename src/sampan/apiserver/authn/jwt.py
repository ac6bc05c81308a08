"""JSON Web Tokens signed with ES256 (and verified with RS256 too): encoding, signature, the standard claims. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
from pathlib import Path
from typing import Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

SIZE = 32
LEEWAY = 10.0  # clocks of machines differ


class BadToken(Exception):
    """The token is not one of ours, or not any more."""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error) as error:
        raise BadToken("not base64url") from error


class SigningKey:
    """One EC P-256 key; its id follows from the public half, so every server that has it names it alike."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self._public = key.public_key()
        der = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.id = _encode(hashlib.sha256(der).digest())

    @staticmethod
    def load(path: Path) -> SigningKey:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError(f"{path} is no EC P-256 key")
        return SigningKey(key)

    @staticmethod
    def generate() -> SigningKey:
        return SigningKey(ec.generate_private_key(ec.SECP256R1()))

    def sign(self, claims: dict[str, Any]) -> str:
        head = _encode(msgspec.json.encode({"alg": "ES256", "kid": self.id}))
        signed = f"{head}.{_encode(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(SIZE, 'big') + s.to_bytes(SIZE, 'big'))}"

    def verify(self, token: str, *, now: float) -> dict[str, Any]:
        """The claims of a token that this key signed and whose time it is."""
        parts = token.split(".")
        if len(parts) != 3:
            raise BadToken("not a JWT")
        head = _object(parts[0])
        if head.get("alg") != "ES256" or head.get("kid") not in (None, self.id):
            raise BadToken("not signed by this cluster")
        signature = _decode(parts[2])
        if len(signature) != 2 * SIZE:
            raise BadToken("malformed signature")
        der = encode_dss_signature(int.from_bytes(signature[:SIZE], "big"), int.from_bytes(signature[SIZE:], "big"))
        try:
            self._public.verify(der, f"{parts[0]}.{parts[1]}".encode(), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise BadToken("bad signature") from error
        claims = _object(parts[1])
        _check_times(claims, now)
        return claims

    def jwks(self) -> dict[str, Any]:
        """What other programs verify tokens with (`/openid/v1/jwks`)."""
        numbers = self._public.public_numbers()
        return {
            "keys": [
                {
                    "use": "sig",
                    "kty": "EC",
                    "kid": self.id,
                    "crv": "P-256",
                    "alg": "ES256",
                    "x": _encode(numbers.x.to_bytes(SIZE, "big")),
                    "y": _encode(numbers.y.to_bytes(SIZE, "big")),
                }
            ]
        }


def _object(part: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(_decode(part))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadToken("not JSON") from error
    if not isinstance(found, dict):
        raise BadToken("not a JSON object")
    return found


def _check_times(claims: dict[str, Any], now: float) -> None:
    expires, begins = claims.get("exp"), claims.get("nbf")
    if not isinstance(expires, int | float) or now > expires:
        raise BadToken("token has expired")
    if isinstance(begins, int | float) and now + LEEWAY < begins:
        raise BadToken("token is not valid yet")
