"""What a container's settings refer to and is not there: ConfigMaps, Secrets, their keys, users."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.why.crash import change
from sampan.cli.why.facts import Facts, Object, name_of, spec_container, waiting
from sampan.cli.why.finding import Finding

KINDS = {
    "configMapKeyRef": ("configmaps", "ConfigMap"),
    "secretKeyRef": ("secrets", "Secret"),
    "configMapRef": ("configmaps", "ConfigMap"),
    "secretRef": ("secrets", "Secret"),
}


def rules(facts: Facts, pod: Object, status: Object) -> Iterator[Finding]:
    if waiting(status).get("reason") not in ("CreateContainerConfigError", "CreateContainerError"):
        return
    container, message = spec_container(pod, status["name"]), waiting(status).get("message") or ""
    found = list(_references(facts, container, message))
    if found:
        yield from found
        return
    if "runasnonroot" in message.lower() or "non-root" in message.lower():
        yield Finding(
            "RunsAsRoot",
            f'container "{status["name"]}": its image runs as root, and runAsNonRoot forbids that',
            (message,),
            (),
            change(pod),
            "set securityContext.runAsUser to a user of the image",
        )
        return
    yield Finding(
        "ContainerConfig",
        f'container "{status["name"]}" cannot be made from its settings',
        (message,),
        (),
        change(pod),
    )


def _references(facts: Facts, container: Object, message: str) -> Iterator[Finding]:
    for variable in container.get("env") or ():
        for field, ref in (variable.get("valueFrom") or {}).items():
            if field in KINDS and not ref.get("optional"):
                yield from _missing(facts, field, ref, f"variable {variable['name']}", message)
    for source in container.get("envFrom") or ():
        for field, ref in source.items():
            if field in KINDS and not ref.get("optional"):
                yield from _missing(facts, field, ref, "envFrom", message)


def _missing(facts: Facts, field: str, ref: Object, user: str, message: str) -> Iterator[Finding]:
    resource, kind = KINDS[field]
    name, key = ref.get("name", ""), ref.get("key", "")
    held = facts.one(resource, name)
    word = "configmap" if kind == "ConfigMap" else "secret generic"
    if held is None:
        if not facts.of(resource) and name not in message:
            return  # they may be hidden from us, and nobody says that this one is missing
        near = _near(name, [name_of(one) for one in facts.of(resource)])
        yield Finding(
            f"{kind}Missing",
            f'{user} wants the {kind} "{name}", which is not in the namespace{near}',
            (message,) if message else (),
            (),
            f"sampan create {word} {name} --from-literal={key or 'KEY'}=VALUE -n {facts.namespace}",
        )
    elif key and key not in {**(held.get("data") or {}), **(held.get("binaryData") or {})}:
        keys = ", ".join(sorted(held.get("data") or {})) or "none"
        patch = '{"stringData":{"' + key + '":"VALUE"}}' if kind == "Secret" else '{"data":{"' + key + '":"VALUE"}}'
        yield Finding(
            f"{kind}KeyMissing",
            f'{user} wants the key "{key}" of the {kind} "{name}", which has: {keys}',
            (message,) if message else (),
            (),
            f"sampan patch {word.split()[0]} {name} -n {facts.namespace} -p '{patch}'",
        )


def _near(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    found = get_close_matches(name, known, n=1, cutoff=0.6)
    return f' (there is "{found[0]}")' if found else ""
