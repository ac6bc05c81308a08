"""Writes `sampan/api/protobuf/fields.txt` from what `protobuf_fields.py` read, and from the additions below.

    python tools/protobuf_fields.py KUBECTL > fields.json && python tools/protobuf_tables.py fields.json

A line a message, `number:name:type` a field. Types: `s` string, `i` integer, `b` boolean, `y` bytes, `module.Message`
or a leaf (`%time`, `%quantity`, …); `*` before it: repeated; in braces: values of a map. Behind it: `?`, a pointer in
Go (a zero means something), `!` for what is in the JSON also when it is empty. The name `~`: the fields stand in the
parent itself, as JSON has them.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent / "src" / "sampan" / "api"
META = "k8s.io/apimachinery/pkg/apis/meta/v1"
LEAVES = {
    "string": "s",
    "int": "i",
    "bool": "b",
    "bytes": "y",
    f"{META}.Time": "%time",
    f"{META}.MicroTime": "%microtime",
    f"{META}.FieldsV1": "%raw",
    "k8s.io/apimachinery/pkg/api/resource.Quantity": "%quantity",
    "k8s.io/apimachinery/pkg/util/intstr.IntOrString": "%intorstr",
    "k8s.io/apimachinery/pkg/runtime.RawExtension": "%raw",
}
# Groups whose types the program has in an earlier version (as far as it has none of the later one); same numbers.
EARLIER = {
    "k8s.io/api/admissionregistration/v1alpha1": "k8s.io/api/admissionregistration/v1",
    "k8s.io/api/resource/v1beta2": "k8s.io/api/resource/v1",
    "k8s.io/api/storage/v1beta1": "k8s.io/api/storage/v1",
}
# Newer than the program, or of a group that it does not have.
ADDITIONS = """
core_v1.Container 25:restartPolicyRules:*core_v1.ContainerRestartRule
core_v1.EphemeralContainerCommon 25:restartPolicyRules:*core_v1.ContainerRestartRule
core_v1.ContainerRestartRule 1:action:s 2:exitCodes:core_v1.ContainerRestartRuleOnExitCodes?
core_v1.ContainerRestartRuleOnExitCodes 1:operator:s 2:values:*i
core_v1.PodSpec 41:hostnameOverride:s?
core_v1.VolumeProjection 6:podCertificate:core_v1.PodCertificateProjection?
core_v1.PodCertificateProjection 1:signerName:s 2:keyType:s 3:maxExpirationSeconds:i? 4:credentialBundlePath:s
core_v1.PodCertificateProjection 5:keyPath:s 6:certificateChainPath:s 7:userAnnotations:{s}
core_v1.PodStatus 19:allocatedResources:{%quantity} 20:resources:core_v1.ResourceRequirements?
resource_v1.AllocatedDeviceStatus 7:shareID:s?
resource_v1.AllocationResult 5:allocationTimestamp:%time?
apiregistration_v1.APIService 1:metadata:meta_v1.ObjectMeta 2:spec:apiregistration_v1.APIServiceSpec
apiregistration_v1.APIService 3:status:apiregistration_v1.APIServiceStatus
apiregistration_v1.APIServiceList 1:metadata:meta_v1.ListMeta 2:items:*apiregistration_v1.APIService!
apiregistration_v1.APIServiceSpec 1:service:apiregistration_v1.ServiceReference? 2:group:s 3:version:s
apiregistration_v1.APIServiceSpec 4:insecureSkipTLSVerify:b 5:caBundle:y 7:groupPriorityMinimum:i! 8:versionPriority:i!
apiregistration_v1.APIServiceStatus 1:conditions:*apiregistration_v1.APIServiceCondition
apiregistration_v1.APIServiceCondition 1:type:s! 2:status:s! 3:lastTransitionTime:%time 4:reason:s 5:message:s
apiregistration_v1.ServiceReference 1:namespace:s 2:name:s 3:port:i?
"""


# Scalars in JSON, and used by no type of the API.
_NO_MESSAGES = {"meta_v1.Duration", "meta_v1.Timestamp", "meta_v1.Verbs"}


def module_of(package: str) -> str | None:
    """`core_v1` of `k8s.io/api/core/v1`, where the API has such a module."""
    if package == META:
        return "meta_v1"
    if not package.startswith("k8s.io/api/"):
        return None
    name = package.removeprefix("k8s.io/api/").replace("/", "_")
    return name if (ROOT / "types" / f"{name}.py").exists() else None


def reference(type_name: str) -> str:
    if type_name in LEAVES:
        return LEAVES[type_name]
    package, _, name = type_name.rpartition(".")
    package = EARLIER.get(package, package)
    module = module_of(package)
    if module is None:
        raise KeyError(type_name)
    return f"{module}.{name}"


def token(field: dict[str, Any]) -> str:
    kind = reference(field["type"])
    if field.get("map"):
        kind = "{%strings}" if field.get("list") else f"{{{kind}}}"
    elif field.get("list"):
        kind = f"*{kind}"
    name = "~" if field["inline"] or not field["json"] else field["json"]
    flag = "?" if field.get("pointer") else "" if field["omitempty"] or name == "~" else "!"
    return f"{field['number']}:{name}:{kind}{flag}"


def lines(found: dict[str, list[dict[str, Any]]]) -> dict[str, dict[int, str]]:
    table: dict[str, dict[int, str]] = {}
    for title, fields in sorted(found.items(), key=lambda f: f[0].rpartition(".")[0] not in EARLIER):
        try:
            name = reference(title)
        except KeyError:
            continue
        if name.startswith("%") or len(name) == 1 or name in _NO_MESSAGES:
            continue
        try:
            table[name] = {f["number"]: token(f) for f in fields if f["json"] != "-"}
        except KeyError as error:
            print(f"left out: {title}: {error}", file=sys.stderr)
    for line in ADDITIONS.split("\n"):
        name, _, rest = line.partition(" ")
        if name:
            table.setdefault(name, {}).update({int(t.split(":")[0]): t for t in rest.split()})
    return table


def missing(table: dict[str, dict[int, str]]) -> list[str]:
    """Fields of the API that have no number here: they do not travel as protobuf."""
    out = []
    for path in sorted((ROOT / "schemas").glob("*_v*.py")):
        schema = import_module(f"sampan.api.schemas.{path.stem}").SCHEMA
        for name, fields in schema.items():
            known = table.get(f"{path.stem}.{name}")
            if known is None:
                out.append(f"{path.stem}.{name}")
                continue
            names = names_of(table, known)
            names |= {"*", "!", "kind", "apiVersion"}
            out += [f"{path.stem}.{name}.{field}" for field in fields if field not in names]
    return out


def names_of(table: dict[str, dict[int, str]], fields: dict[int, str]) -> set[str]:
    names: set[str] = set()
    for text in fields.values():
        _, name, kind = text.split(":")
        names |= names_of(table, table.get(kind.strip("?!"), {})) if name == "~" else {name}
    return names


def main() -> None:
    sys.path.insert(0, str(ROOT.parent.parent))
    table = lines(json.loads(Path(sys.argv[1]).read_text()))
    text = [f"{name} {' '.join(fields[n] for n in sorted(fields))}" for name, fields in sorted(table.items())]
    (ROOT / "protobuf" / "fields.txt").write_text("\n".join(text) + "\n", encoding="utf-8")
    print(f"{len(text)} messages; without a number: {', '.join(missing(table))}")


if __name__ == "__main__":
    main()
