"""Keeps the status of admission policies: what their expressions' types say against them."""

from __future__ import annotations

import asyncio
import logging

from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.api.types import admissionregistration_v1 as registration
from sampan.apiserver.core import Core
from sampan.client.api import Client
from sampan.client.informer import Informer

log = logging.getLogger(__name__)
Policy = registration.ValidatingAdmissionPolicy


async def keep_policy_status(core: Core, client: Client) -> None:
    """Until cancelled."""
    policies = client.resource(Policy)
    informer: Informer[Policy] = Informer(policies)
    changed: asyncio.Queue[str] = asyncio.Queue()
    informer.add_key_handler(changed.put_nowait)
    informer.start()
    try:
        while True:
            policy = informer.store.get(await changed.get())
            if policy is None or policy.status.observedGeneration == policy.metadata.generation:
                continue
            # The language of policies takes a while to load, and most clusters have none.
            from sampan.apiserver.admission.policies.typecheck import warnings_of

            checked = registration.TypeChecking(expressionWarnings=warnings_of(core, policy) or None)
            current = Policy(
                kind="ValidatingAdmissionPolicy",
                apiVersion="admissionregistration.k8s.io/v1",
                metadata=policy.metadata,
                spec=policy.spec,
                status=registration.ValidatingAdmissionPolicyStatus(
                    observedGeneration=policy.metadata.generation, typeChecking=checked
                ),
            )
            try:
                await policies.update_status(current)
            except (Conflict, NotFound):
                continue  # it has changed, and will be looked at again
            except ApiError as error:
                log.warning("status of policy %s: %s", policy.metadata.name, error)
    finally:
        await informer.stop()
