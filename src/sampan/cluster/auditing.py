"""The audit log of a cluster: kept where `audit.yaml`, a policy of audit.k8s.io/v1, stands in its directory."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sampan.apiserver.audit.auditor import Auditor

POLICY = "audit.yaml"


def auditor_of(directory: Path) -> "Auditor | None":
    """Writes `logs/audit.log`. A policy that cannot be read stops the start: no log is worse than no cluster."""
    policy = directory / POLICY
    if not policy.exists():
        return None
    from sampan.apiserver.audit.auditor import Auditor
    from sampan.apiserver.audit.log import AuditLog
    from sampan.apiserver.audit.policy import BadPolicy, read
    from sampan.apiserver.core import utc_now

    try:
        found = read(policy.read_bytes())
    except BadPolicy as error:
        raise SystemExit(f"{policy}: {error}") from None
    logs = directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return Auditor(found, AuditLog(str(logs / "audit.log")), now=utc_now)
