"""Writes `sampan/api/types/*.py` (typed objects) and `sampan/api/schemas/*.py` (what patches need to know of them).

The source is the definitions of Kubernetes 1.36 in the `kubernetes-validate` package. OpenAPI does not tell which Go
structs are embedded by value (and so always written, even when empty); the tables below do. Run by `make generate`;
`tests/unit/api/test_generated.py` fails when the output is stale.
"""

import json
import keyword
import sys
from importlib import resources
from pathlib import Path
from typing import Any

Definition = dict[str, Any]

ROOT = Path(__file__).resolve().parent.parent / "src" / "sampan" / "api"

MODULES = {
    "io.k8s.apimachinery.pkg.apis.meta.v1": "meta_v1",
    "io.k8s.api.core.v1": "core_v1",
    "io.k8s.api.apps.v1": "apps_v1",
    "io.k8s.api.batch.v1": "batch_v1",
    "io.k8s.api.autoscaling.v1": "autoscaling_v1",
    "io.k8s.api.autoscaling.v2": "autoscaling_v2",
    "io.k8s.api.policy.v1": "policy_v1",
    "io.k8s.api.networking.v1": "networking_v1",
    "io.k8s.api.discovery.v1": "discovery_v1",
    "io.k8s.api.events.v1": "events_v1",
    "io.k8s.api.coordination.v1": "coordination_v1",
    "io.k8s.api.rbac.v1": "rbac_v1",
    "io.k8s.api.scheduling.v1": "scheduling_v1",
    "io.k8s.api.storage.v1": "storage_v1",
    "io.k8s.api.node.v1": "node_v1",
    "io.k8s.api.certificates.v1": "certificates_v1",
    "io.k8s.api.authentication.v1": "authentication_v1",
    "io.k8s.api.authorization.v1": "authorization_v1",
    "io.k8s.api.admissionregistration.v1": "admissionregistration_v1",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1": "apiextensions_v1",
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1": "apiregistration_v1",
    "io.k8s.api.flowcontrol.v1": "flowcontrol_v1",
    "io.k8s.api.resource.v1": "resource_v1",
}

LEAVES = {
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": ("str", "time"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": ("str", "microtime"),
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("str | int | float", "quantity"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": ("int | str", "intorstr"),
    "io.k8s.apimachinery.pkg.runtime.RawExtension": ("Any", "raw"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": ("dict[str, Any]", "raw"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Patch": ("Any", "raw"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": ("Any", "raw"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": ("Any", "raw"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": ("Any", "raw"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": ("Any", "raw"),
}

# Structs that Go embeds by value without being "required": written even when empty.
EMBEDDED = {
    "core_v1.Container": {"resources"},
    "core_v1.EphemeralContainer": {"resources"},
    "core_v1.ContainerStatus": {"state", "lastState"},
    "core_v1.PodTemplateSpec": {"metadata", "spec"},
    "core_v1.PodTemplate": {"template"},
    "core_v1.PersistentVolumeClaimTemplate": {"metadata", "spec"},
    "core_v1.PersistentVolumeClaimSpec": {"resources"},
    "core_v1.NodeStatus": {"daemonEndpoints", "nodeInfo"},
    "core_v1.NodeDaemonEndpoints": {"kubeletEndpoint"},
    "core_v1.ServiceStatus": {"loadBalancer"},
    "core_v1.Event": {"source", "reportingComponent", "reportingInstance"},
    "core_v1.ReplicationControllerSpec": set(),
    "events_v1.Event": {"deprecatedSource", "regarding"},
    "networking_v1.IngressStatus": {"loadBalancer"},
    "networking_v1.IngressServiceBackend": {"port"},
    "networking_v1.NetworkPolicySpec": {"podSelector"},
    "policy_v1.PodDisruptionBudgetStatus": {"disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"},
    "rbac_v1.RoleRef": {"apiGroup"},
    "scheduling_v1.PriorityClass": {"value"},
    "apps_v1.DeploymentSpec": {"strategy"},
    "apps_v1.DaemonSetSpec": {"updateStrategy"},
    "apps_v1.StatefulSetSpec": {"updateStrategy"},
    "apps_v1.StatefulSetStatus": {"availableReplicas"},
    "apps_v1.ReplicaSetSpec": {"template"},
    "batch_v1.JobTemplateSpec": {"metadata", "spec"},
    "discovery_v1.Endpoint": {"conditions"},
    "autoscaling_v2.HorizontalPodAutoscalerStatus": set(),
    "apiextensions_v1.CustomResourceDefinitionStatus": {"acceptedNames"},
    "admissionregistration_v1.ValidatingWebhook": {"clientConfig"},
    "admissionregistration_v1.MutatingWebhook": {"clientConfig"},
    "flowcontrol_v1.LimitedPriorityLevelConfiguration": {"limitResponse"},
    "resource_v1.ResourceClaimSpec": {"devices"},
    "resource_v1.ResourceClaimTemplateSpec": {"metadata", "spec"},
    "resource_v1.AllocationResult": {"devices"},
}

# Structs that Go keeps behind a pointer although they carry a name that is embedded elsewhere.
POINTERS = {
    "core_v1.ReplicationControllerSpec": {"template"},
    "apps_v1.DeploymentSpec": {"selector"},
    "apps_v1.DaemonSetSpec": {"selector"},
    "apps_v1.ReplicaSetSpec": {"selector"},
    "apps_v1.StatefulSetSpec": {"selector"},
    "core_v1.PersistentVolumeClaimVolumeSource": set(),
}

# Required by the schema, absent in practice: left out when unset.
OMITTED = {
    "authorization_v1.SubjectAccessReviewStatus": {"reason"},
    "core_v1.VolumeMount": set(),
}

# Times and lists that Go writes as `null` when unset.
NULLED = {
    "core_v1.PodCondition": {"lastProbeTime", "lastTransitionTime"},
    "core_v1.ContainerStateRunning": {"startedAt"},
    "core_v1.ContainerStateTerminated": {"startedAt", "finishedAt"},
    "core_v1.NodeCondition": {"lastHeartbeatTime", "lastTransitionTime"},
    "core_v1.ReplicationControllerCondition": {"lastTransitionTime"},
    "core_v1.NamespaceCondition": {"lastTransitionTime"},
    "core_v1.PersistentVolumeClaimCondition": {"lastProbeTime", "lastTransitionTime"},
    "core_v1.Event": {"firstTimestamp", "lastTimestamp", "eventTime"},
    "events_v1.Event": {"eventTime", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"},
    "apps_v1.DeploymentCondition": {"lastUpdateTime", "lastTransitionTime"},
    "apps_v1.ReplicaSetCondition": {"lastTransitionTime"},
    "apps_v1.StatefulSetCondition": {"lastTransitionTime"},
    "apps_v1.DaemonSetCondition": {"lastTransitionTime"},
    "batch_v1.JobCondition": {"lastProbeTime", "lastTransitionTime"},
    "autoscaling_v2.HorizontalPodAutoscalerCondition": {"lastTransitionTime"},
    "autoscaling_v2.HorizontalPodAutoscalerStatus": {"currentMetrics"},
    "certificates_v1.CertificateSigningRequestCondition": {"lastUpdateTime", "lastTransitionTime"},
    "apiextensions_v1.CustomResourceDefinitionCondition": {"lastTransitionTime"},
    "apiextensions_v1.CustomResourceDefinitionStatus": {"conditions", "storedVersions"},
    "apiregistration_v1.APIServiceCondition": {"lastTransitionTime"},
    "authentication_v1.TokenRequestSpec": {"boundObjectRef"},
    "discovery_v1.EndpointSlice": {"endpoints", "ports"},
    "rbac_v1.ClusterRole": {"rules"},
    "rbac_v1.Role": {"rules"},
}

ZERO = {"str": "str", "int": "int", "bool": "bool", "int | float": "int"}
SHADOWING = {"str", "int", "float", "bool", "list", "dict", "object"}
FIRST = ("kind", "apiVersion", "metadata", "spec", "status", "name", "namespace")


def module_of(definition: str) -> tuple[str, str] | None:
    package, _, name = definition.rpartition(".")
    module = MODULES.get(package)
    return (module, name) if module else None


def load() -> dict[str, Definition]:
    path = resources.files("kubernetes_validate") / "kubernetes-json-schema" / "v1.36.0-local" / "_definitions.json"
    definitions: dict[str, Definition] = json.loads(path.read_text(encoding="utf-8"))["$defs"]
    return definitions


def target(reference: str) -> str:
    return reference.removeprefix("#/$defs/")


class Module:
    """One generated module: its structs and the modules that they refer to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.imports: set[str] = set()
        self.classes: list[str] = []
        self.schema: dict[str, dict[str, Any]] = {}
        self.uses: set[str] = set()

    def type_of(self, schema: Definition) -> str:
        if "$ref" in schema:
            definition = target(schema["$ref"])
            if definition in LEAVES:
                python = LEAVES[definition][0]
                if "Any" in python:
                    self.uses.add("Any")
                return python
            found = module_of(definition)
            if found is None:
                self.uses.add("Any")
                return "Any"
            module, name = found
            if module == self.name:
                return name
            self.imports.add(module)
            return f"{module}.{name}"
        kinds = schema.get("type")
        kind = next((k for k in kinds if k != "null"), "") if isinstance(kinds, list) else kinds
        match kind:
            case "string":
                return "str"
            case "integer":
                return "int"
            case "boolean":
                return "bool"
            case "number":
                return "int | float"  # 1 stays 1
            case "array":
                return f"list[{self.type_of(schema['items'])}]"
            case "object":
                values = schema.get("additionalProperties")
                if isinstance(values, dict) and values:
                    return f"dict[str, {self.type_of(values)}]"
                self.uses.add("Any")
                return "dict[str, Any]"
        self.uses.add("Any")
        return "Any"

    def add(self, name: str, definition: Definition, definitions: dict[str, Definition]) -> None:
        full = f"{self.name}.{name}"
        properties: dict[str, Definition] = definition.get("properties", {})
        required = set(definition.get("required", ()))
        has_head = {"kind", "apiVersion", "metadata"} <= properties.keys()
        top_level = "x-kubernetes-group-version-kind" in definition or has_head
        lines = []
        for wire in sorted(properties, key=lambda p: (FIRST.index(p) if p in FIRST else len(FIRST), p)):
            schema = properties[wire]
            always = (
                (wire in required and wire not in OMITTED.get(full, ()))
                or wire in EMBEDDED.get(full, ())
                or (top_level and wire in ("metadata", "spec", "status") and "$ref" in schema)
            )
            if wire in POINTERS.get(full, ()):
                always = False
            lines.append(self.field_line(wire, schema, always, wire in NULLED.get(full, ()), definitions))
        body = "\n".join(f"    {line}" for line in lines) or "    pass"
        self.classes.append(f"class {name}(Struct, kw_only=True, omit_defaults=True, gc=False):\n{body}\n")
        self.schema[name] = self.schema_of(definition)

    def field_line(
        self, wire: str, schema: Definition, always: bool, nulled: bool, definitions: dict[str, Definition]
    ) -> str:
        attribute = wire.replace("$", "").replace("-", "_")
        if keyword.iskeyword(attribute) or attribute in SHADOWING:
            attribute += "_"
        rename = f', name="{wire}"' if attribute != wire else ""
        python = self.type_of(schema)
        if python == "Any" or (python.startswith("dict[str, Any]") and not always):
            return self.plain(attribute, python if python == "Any" else f"{python} | None", rename)
        if nulled:
            self.uses.add("null")
            return f"{attribute}: {python} | None = field(default_factory=null{rename})"
        if not always or (wire in ("apiVersion", "kind") and self.is_type_meta(schema)):
            return self.plain(attribute, f"{python} | None", rename)
        if python in ZERO:
            return f"{attribute}: {python} = field(default_factory={ZERO[python]}{rename})"
        if python.startswith("list["):
            self.uses.add("empty_list")
            return f"{attribute}: {python} = field(default_factory=empty_list{rename})"
        if python.startswith("dict["):
            self.uses.add("empty_dict")
            return f"{attribute}: {python} = field(default_factory=empty_dict{rename})"
        if "$ref" in schema and target(schema["$ref"]) not in LEAVES:
            return f"{attribute}: {python} = field(default_factory=lambda: {python}(){rename})"
        if python in ("int | str", "str | int | float"):
            return (
                f"{attribute}: {python} = field(default_factory={'int' if python[0] == 'i' else 'zero'}{rename})"
                if python[0] == "i"
                else f"{attribute}: {python} = field(default_factory=zero{rename})"
            )
        return self.plain(attribute, f"{python} | None", rename)

    @staticmethod
    def is_type_meta(schema: Definition) -> bool:
        return "enum" in schema or isinstance(schema.get("type"), list)

    @staticmethod
    def plain(attribute: str, python: str, rename: str) -> str:
        if rename:
            return f"{attribute}: {python} = field(default=None{rename})"
        return f"{attribute}: {python} = None"

    def schema_of(self, definition: Definition) -> dict[str, Any]:
        """Field → one short string; see `sampan.api.schema` for the grammar."""
        fields: dict[str, Any] = {}
        for wire, schema in sorted(definition.get("properties", {}).items()):
            fields[wire] = self.describe(schema)
        if definition.get("x-kubernetes-map-type") == "atomic":
            fields["*"] = "atomic"
        required = definition.get("required")
        if required:
            fields["!"] = " ".join(required)
        return fields

    def describe(self, schema: Definition) -> str:
        if "$ref" in schema:
            definition = target(schema["$ref"])
            if definition in LEAVES:
                text = LEAVES[definition][1]
            else:
                found = module_of(definition)
                text = f"@{found[0]}.{found[1]}" if found else "raw"
        else:
            kinds = schema.get("type")
            kind = next((k for k in kinds if k != "null"), "") if isinstance(kinds, list) else kinds
            if kind == "array":
                text = f"[{self.describe(schema['items'])}]"
            elif kind == "object":
                values = schema.get("additionalProperties")
                text = f"{{{self.describe(values)}}}" if isinstance(values, dict) and values else "raw"
            else:
                text = kind if kind in ("string", "integer", "boolean", "number") else "raw"
                if schema.get("format"):
                    text += f":{schema['format']}"
        if schema.get("x-kubernetes-list-type"):
            text += f" list={schema['x-kubernetes-list-type']}"
        if schema.get("x-kubernetes-list-map-keys"):
            text += f" keys={','.join(schema['x-kubernetes-list-map-keys'])}"
        if schema.get("x-kubernetes-map-type"):
            text += f" map={schema['x-kubernetes-map-type']}"
        if schema.get("x-kubernetes-patch-strategy"):
            text += f" patch={schema['x-kubernetes-patch-strategy']}"
        if schema.get("x-kubernetes-patch-merge-key"):
            text += f" merge={schema['x-kubernetes-patch-merge-key']}"
        return text

    def render(self) -> str:
        out = ['"""Generated by tools/generate.py from the definitions of Kubernetes 1.36. Do not edit."""', ""]
        out.append("from __future__ import annotations\n")
        if "Any" in self.uses:
            out.append("from typing import Any\n")
        out.append("from msgspec import Struct, field\n")
        for module in sorted(self.imports):
            out.append(f"from sampan.api.types import {module}")
        helpers = sorted(self.uses & {"empty_list", "empty_dict", "null"})
        text = "\n\n".join(self.classes)
        if "default_factory=zero" in text:
            helpers.append("zero")
        if helpers:
            out.append(f"from sampan.api.types._defaults import {', '.join(sorted(helpers))}")
        return "\n".join(out) + "\n\n\n" + text

    def render_schema(self) -> str:
        title = '"""Generated by tools/generate.py from the definitions of Kubernetes 1.36. Do not edit."""'
        lines = [title, "", "SCHEMA: dict[str, dict[str, str]] = {"]
        for name, fields in self.schema.items():
            lines.append(f"    {name!r}: {{")
            lines.extend(f"        {wire!r}: {text!r}," for wire, text in fields.items())
            lines.append("    },")
        return "\n".join(lines) + "\n}\n"


def generate() -> dict[Path, str]:
    """Every file that the generator owns, with its text."""
    definitions = load()
    modules = {name: Module(name) for name in MODULES.values()}
    for full in sorted(definitions):
        found = module_of(full)
        if found is None or full in LEAVES:
            continue
        module, name = found
        modules[module].add(name, definitions[full], definitions)
    files = {}
    for module in modules.values():
        files[ROOT / "types" / f"{module.name}.py"] = module.render()
        files[ROOT / "schemas" / f"{module.name}.py"] = module.render_schema()
    return files


def main() -> int:
    stale = []
    for path, text in generate().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(("stale: " if "--check" in sys.argv else "wrote ") + path.name)
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
