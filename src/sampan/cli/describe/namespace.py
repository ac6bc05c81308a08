"""Namespaces, with the quotas and limits in them."""

from __future__ import annotations

from sampan.cli.describe.asking import listed as ask
from sampan.cli.describe.config import LIMIT_HEAD, limit_rows, quota_rows
from sampan.cli.describe.text import Object, Text, header, meta
from sampan.cli.session import Session


def namespace(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    header(text, obj, namespace=False)
    status = obj.get("status") or {}
    text.field("Status", status.get("phase") or "")
    if status.get("conditions"):
        text.line("Conditions:\n  Type\tStatus\tLastTransitionTime\tReason\tMessage")
        text.line("----\t------\t------------------\t------\t-------", 1)
        for one in status["conditions"]:
            from sampan.cli.describe.text import moment

            text.line(
                f"{one['type']}\t{one['status']}\t{moment(one.get('lastTransitionTime'))}\t{one.get('reason', '')}\t"
                f"{one.get('message', '')}",
                1,
            )
    _quotas(text, ask(session, "v1", "ResourceQuota", namespace=meta(obj)["name"]))
    _limits(text, ask(session, "v1", "LimitRange", namespace=meta(obj)["name"]))


def _quotas(text: Text, found: list[Object] | None) -> None:
    if found is None:
        return
    if not found:
        text.line("\nNo resource quota.")
        return
    text.line("\nResource Quotas")
    for one in found:
        text.line(f"  Name:\t{meta(one)['name']}\n  Resource\tUsed\tHard\n  --------\t---\t---")
        quota_rows(text, one, "  ")


def _limits(text: Text, found: list[Object] | None) -> None:
    if found is None:
        return
    if not found:
        text.line("\nNo LimitRange resource.")
        return
    text.line("\nResource Limits")
    for line in LIMIT_HEAD:
        text.line(f" {line}")
    for one in found:
        limit_rows(text, one, " ")
