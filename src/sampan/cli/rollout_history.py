"""`rollout history`: the revisions, or one of them with its Pod template."""

from __future__ import annotations

from typing import Any

from sampan.cli import printers
from sampan.cli.change import chosen
from sampan.cli.command import FILES, OUTPUT, SELECTOR, Command, Invocation
from sampan.cli.errors import CliError, raise_all
from sampan.cli.flags import Flag
from sampan.cli.printers.tabwriter import aligned
from sampan.cli.revisions import revisions


def run(call: Invocation) -> int:
    flags = call.flags
    if not call.args and not flags["filename"]:
        raise CliError("required resource not specified")
    if flags["revision"] < 0:
        raise CliError("revision must be a positive integer: " + str(flags["revision"]))
    errors: list[Exception] = []
    for one in chosen(call, call.args, errors):
        found = revisions(call.session, one)
        wanted = flags["revision"]
        if wanted:
            match = next((revision for revision in found if revision.number == wanted), None)
            if match is None:
                raise CliError("unable to find the specified revision")
            if flags["output"]:
                printers.of(flags["output"], flags=flags)(match.owner)
                continue
            call.print(f"{one.shown} with revision #{wanted}")
            call.out.write(described(match.template, match.cause) + "\n")
            continue
        lines = ["REVISION\tCHANGE-CAUSE", *(f"{r.number}\t{r.cause or '<none>'}" for r in found)]
        call.print(f"{one.shown} ")
        call.print(aligned("\n".join(lines)))
        call.print()
    raise_all(errors)
    return 0


def described(template: dict[str, Any], cause: str = "") -> str:
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    lines = ["Pod Template:"]
    lines += _pairs("  Labels:", metadata.get("labels") or {}, "=")
    annotations = dict(metadata.get("annotations") or {})
    if cause:
        annotations["kubernetes.io/change-cause"] = cause
    if annotations:
        lines += _pairs("  Annotations:", annotations, ": ")
    if spec.get("serviceAccountName"):
        lines.append(f"  Service Account:\t{spec['serviceAccountName']}")
    for title, field in (("Init Containers", "initContainers"), ("Containers", "containers")):
        if spec.get(field):
            lines.append(f"  {title}:")
            for container in spec[field]:
                lines += _container(container)
    if spec.get("volumes"):
        lines.append("  Volumes:")
        for volume in spec["volumes"]:
            kind = next((key for key in volume if key != "name"), "")
            lines += [f"   {volume['name']}:", f"    Type:\t{kind[:1].upper()}{kind[1:]}"]
    else:
        lines.append("  Volumes:\t<none>")
    lines += _pairs("  Node-Selectors:", spec.get("nodeSelector") or {}, "=")
    lines.append(
        "  Tolerations:\t<none>"
        if not spec.get("tolerations")
        else "  Tolerations:\t" + "\n\t".join(_toleration(t) for t in spec["tolerations"])
    )
    return "\n".join(lines) + "\n"


def _container(container: dict[str, Any]) -> list[str]:
    ports = [f"{p['containerPort']}/{p.get('protocol', 'TCP')}" for p in container.get("ports") or ()]
    hosts = [f"{p.get('hostPort', 0)}/{p.get('protocol', 'TCP')}" for p in container.get("ports") or ()]
    plural = "s" if len(ports) > 1 else ""
    lines = [
        f"   {container['name']}:",
        f"    Image:\t{container.get('image', '')}",
        f"    Port{plural}:\t{', '.join(ports) or '<none>'}",
        f"    Host Port{plural}:\t{', '.join(hosts) or '<none>'}",
    ]
    for title, field in (("Command", "command"), ("Args", "args")):
        if container.get(field):
            lines += [f"    {title}:", *(f"      {word}" for word in container[field])]
    for title, field in (("Limits", "limits"), ("Requests", "requests")):
        values = (container.get("resources") or {}).get(field)
        if values:
            lines += [f"    {title}:", *(f"      {name}:\t{value}" for name, value in sorted(values.items()))]
    if container.get("env"):
        lines.append("    Environment:")
        lines += [f"      {one['name']}:\t{one.get('value', '<set from a reference>')}" for one in container["env"]]
    else:
        lines.append("    Environment:\t<none>")
    if container.get("volumeMounts"):
        lines.append("    Mounts:")
        lines += [
            f"      {m['mountPath']} from {m['name']} ({'ro' if m.get('readOnly') else 'rw'})"
            for m in container["volumeMounts"]
        ]
    else:
        lines.append("    Mounts:\t<none>")
    return lines


def _pairs(title: str, pairs: dict[str, str], joint: str) -> list[str]:
    texts = [f"{key}{joint}{value}" for key, value in sorted(pairs.items())] or ["<none>"]
    return [f"{title}\t{texts[0]}", *(f"\t{text}" for text in texts[1:])]


def _toleration(one: dict[str, Any]) -> str:
    text = one.get("key", "") + (f"={one['value']}" if one.get("value") else "")
    return (
        str(text)
        + (f":{one['effect']}" if one.get("effect") else "")
        + (" op=Exists" if one.get("operator") == "Exists" else "")
    )


HISTORY = Command(
    path="rollout history",
    run=run,
    flags=(*FILES, *OUTPUT, SELECTOR, Flag("revision", "int", usage="one of them, with its Pod template")),
    summary="The revisions of a workload.",
    usage="(TYPE NAME | TYPE/NAME) [flags]",
)
