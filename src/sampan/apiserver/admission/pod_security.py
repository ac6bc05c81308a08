"""PodSecurity: the Pod Security Standards, by the labels of the namespace (enforce and warn; audit needs a log)."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import forbidden
from sampan.api.types import core_v1
from sampan.apiserver.admission.plugin import Objects, Plugin
from sampan.apiserver.admission.pod_security_checks import violations
from sampan.apiserver.contracts import AdmissionAttributes
from sampan.apiserver.core import Core

LABEL = "pod-security.kubernetes.io/"
TEMPLATES = {
    ("", "replicationcontrollers"),
    ("", "podtemplates"),
    ("apps", "replicasets"),
    ("apps", "deployments"),
    ("apps", "statefulsets"),
    ("apps", "daemonsets"),
    ("batch", "jobs"),
    ("batch", "cronjobs"),
}


class PodSecurity(Plugin):
    def __init__(self, core: Core) -> None:
        super().__init__(core)
        self._namespaces = Objects(core, "", "v1", "namespaces", core_v1.Namespace)

    async def validate(self, attributes: AdmissionAttributes) -> None:
        info = attributes.info
        is_pod = info.resource == "pods" and not info.group
        if attributes.operation not in ("CREATE", "UPDATE") or not attributes.namespace:
            return
        if attributes.subresource not in ("", "ephemeralcontainers", "resize"):
            return
        if not is_pod and (info.group, info.resource) not in TEMPLATES:
            return
        namespace = self._namespaces.get("", attributes.namespace)
        labels = (namespace.metadata.labels or {}) if namespace is not None else {}
        enforce, warn = labels.get(f"{LABEL}enforce", "privileged"), labels.get(f"{LABEL}warn", "privileged")
        if enforce == "privileged" and warn == "privileged":
            return
        spec = _spec_of(attributes.object, info.resource)
        if spec is None:
            return
        if is_pod and enforce != "privileged" and (found := violations(spec, enforce)):
            version = labels.get(f"{LABEL}enforce-version", "latest")
            said = f'violates PodSecurity "{enforce}:{version}": {", ".join(found)}'
            raise forbidden("pods", attributes.name, said)
        level = warn if warn != "privileged" else ("" if is_pod else enforce)
        if level and level != "privileged" and (found := violations(spec, level)):
            version = labels.get(f"{LABEL}warn-version", "latest")
            attributes.warnings.append(f'would violate PodSecurity "{level}:{version}": {", ".join(found)}')


def _spec_of(obj: object, resource: str) -> core_v1.PodSpec | None:
    if isinstance(obj, core_v1.Pod):
        return obj.spec
    holder: Any = getattr(obj, "spec", obj)
    if resource == "cronjobs":
        holder = holder.jobTemplate.spec
    template = getattr(holder, "template", None)
    return template.spec if template is not None else None
