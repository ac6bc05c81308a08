"""CertificateSigningRequests: asked by one, approved by another, signed by a third."""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Any, ClassVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from sampan.api.types.certificates_v1 import CertificateSigningRequest, CertificateSigningRequestStatus
from sampan.apiserver.registry import meta
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.volumes import validate_signer_name
from sampan.apiserver.registry.printing import age_of, duration
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

_USAGES = frozenset((
    "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
    "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing",
    "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
    "microsoft sgc", "netscape sgc",
))  # fmt: skip
_DECISIONS = ("Approved", "Denied", "Failed")
_MIN_SECONDS = 600


class CertificateSigningRequestStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        AGE,
        Column("SignerName", description="Who is to sign it."),
        Column("Requestor", description="Who asked for it."),
        Column("RequestedDuration", description="For how long it was asked for."),
        Column("Condition", description="What has become of it."),
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(("spec.signerName",))
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def prepare_for_create(self, obj: CertificateSigningRequest, context: WriteContext) -> None:
        """Who asks is written down by the server, never believed."""
        spec = obj.spec
        spec.username = context.user or None
        spec.uid = context.uid or None
        spec.groups = list(context.groups) or None
        spec.extra = {key: list(values) for key, values in context.extra.items()} or None
        obj.status = CertificateSigningRequestStatus()

    def prepare_for_update(self, obj: CertificateSigningRequest, old: CertificateSigningRequest) -> None:
        obj.spec, obj.status = old.spec, old.status
        self.count_generation(obj, old)

    def prepare_for_status_update(self, obj: CertificateSigningRequest, old: CertificateSigningRequest) -> None:
        """Signers fill the certificate in; approval is not theirs to give."""
        obj.spec = old.spec
        kept = [c for c in old.status.conditions or () if c.type in ("Approved", "Denied")]
        others = [c for c in obj.status.conditions or () if c.type not in ("Approved", "Denied")]
        obj.status.conditions = (kept + others) or None

    def prepare_for_subresource_update(
        self, subresource: str, obj: CertificateSigningRequest, old: CertificateSigningRequest
    ) -> None:
        if subresource != "approval":
            super().prepare_for_subresource_update(subresource, obj, old)
        conditions = obj.status.conditions
        obj.spec, obj.status = old.spec, type(old.status)(certificate=old.status.certificate, conditions=conditions)

    def validate_spec(self, obj: CertificateSigningRequest, errors: Errors) -> None:
        spec = obj.spec
        if not spec.request:
            errors.invalid("spec.request", "", "PEM block type must be CERTIFICATE REQUEST")
        else:
            why = _request_wrong(spec.request)
            if why:
                errors.invalid("spec.request", spec.request, why)
        if not spec.usages:
            errors.required("spec.usages")
        for index, usage in enumerate(spec.usages or ()):
            if usage not in _USAGES:
                errors.unsupported(f"spec.usages[{index}]", usage, sorted(_USAGES))
            if usage in (spec.usages or [])[:index]:
                errors.duplicate(f"spec.usages[{index}]", usage)
        if spec.signerName == "kubernetes.io/legacy-unknown":
            detail = "the legacy signerName is not allowed via this API version"
            errors.invalid("spec.signerName", spec.signerName, detail)
        else:
            validate_signer_name(spec.signerName, "spec.signerName", errors)
        if spec.expirationSeconds is not None and spec.expirationSeconds < _MIN_SECONDS:
            detail = "may not specify a duration less than 600 seconds (10 minutes)"
            errors.invalid("spec.expirationSeconds", spec.expirationSeconds, detail)
        _conditions(obj, errors)

    def validate_update(self, obj: CertificateSigningRequest, old: CertificateSigningRequest) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        _conditions(obj, errors)
        return errors

    def validate_status(self, obj: CertificateSigningRequest, old: CertificateSigningRequest, errors: Errors) -> None:
        if old.status.certificate and obj.status.certificate != old.status.certificate:
            errors.invalid("status.certificate", "<certificate data>", "field is immutable once set")
        elif obj.status.certificate:
            _certificate(obj.status.certificate, errors)
        _conditions(obj, errors)

    def validate_subresource_update(
        self, subresource: str, obj: CertificateSigningRequest, old: CertificateSigningRequest
    ) -> Errors:
        errors = meta.validate_object_meta_update(obj.metadata, old.metadata)
        now = {c.type for c in obj.status.conditions or ()}
        for kind in _DECISIONS:
            if kind not in now and any(c.type == kind for c in old.status.conditions or ()):
                errors.forbidden("status.conditions", f'updates may not remove a condition of type "{kind}"')
        _conditions(obj, errors)
        return errors

    def selectable_fields(self, obj: CertificateSigningRequest) -> dict[str, str]:
        return {"metadata.name": obj.metadata.name or "", "spec.signerName": obj.spec.signerName}

    def cells(self, obj: CertificateSigningRequest, now: datetime) -> list[Any]:
        seconds = obj.spec.expirationSeconds
        return [
            obj.metadata.name or "",
            age_of(obj, now),
            obj.spec.signerName or "<none>",
            obj.spec.username or "",
            duration(seconds) if seconds is not None else "<none>",
            _state(obj),
        ]


def _request_wrong(text: str) -> str:
    try:
        pem = b64decode(text)
    except ValueError:
        return "illegal base64 data"
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem and b"-----BEGIN NEW CERTIFICATE REQUEST-----" not in pem:
        return "PEM block type must be CERTIFICATE REQUEST"
    try:
        request = x509.load_pem_x509_csr(pem)
    except (ValueError, UnsupportedAlgorithm):
        return "asn1: structure error: malformed certificate request"
    return "" if request.is_signature_valid else "x509: the signature of the request does not match"


def _certificate(text: str, errors: Errors) -> None:
    try:
        found = x509.load_pem_x509_certificates(b64decode(text))
    except ValueError:
        found = []
    if not found:
        errors.invalid("status.certificate", "<certificate data>", "must contain at least one CERTIFICATE PEM block")


def _conditions(obj: CertificateSigningRequest, errors: Errors) -> None:
    path = "status.conditions"
    conditions = obj.status.conditions or []
    seen: set[str] = set()
    kinds = {c.type for c in conditions}
    for index, condition in enumerate(conditions):
        here = f"{path}[{index}]"
        if not condition.type:
            errors.required(f"{here}.type")
        if condition.type in _DECISIONS:
            if condition.status != "True":
                if not condition.status:
                    errors.required(f"{here}.status")
                else:
                    errors.unsupported(f"{here}.status", condition.status, ("True",))
        elif condition.status not in ("True", "False", "Unknown"):
            if not condition.status:
                errors.required(f"{here}.status")
            else:
                errors.unsupported(f"{here}.status", condition.status, ("True", "False", "Unknown"))
        if condition.type in seen:
            errors.duplicate(f"{here}.type", condition.type)
        seen.add(condition.type)
    if {"Approved", "Denied"} <= kinds:
        index = max(i for i, c in enumerate(conditions) if c.type in ("Approved", "Denied"))
        detail = "Approved and Denied conditions are mutually exclusive"
        errors.invalid(f"{path}[{index}].type", conditions[index].type, detail)


def _state(obj: CertificateSigningRequest) -> str:
    words = [c.type for c in obj.status.conditions or () if c.type in ("Approved", "Denied")][:1]
    if any(c.type == "Failed" for c in obj.status.conditions or ()):
        words.append("Failed")
    text = ",".join(words) or "Pending"
    return f"{text},Issued" if obj.status.certificate else text
