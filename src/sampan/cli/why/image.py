"""Images that do not come: what the registry really said, told apart."""

from __future__ import annotations

from collections.abc import Iterator

from sampan.cli.why.facts import Facts, Object, name_of, spec_container, waiting
from sampan.cli.why.finding import Finding

REASONS = frozenset(
    (
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
    )
)


def rules(facts: Facts, pod: Object, status: Object) -> Iterator[Finding]:
    reason = waiting(status).get("reason")
    if reason not in REASONS:
        return
    name = status["name"]
    container = spec_container(pod, name)
    image = container.get("image") or status.get("image") or ""
    said = " ".join(
        [
            waiting(status).get("message") or "",
            *(
                event.get("message", "")
                for event in facts.events("Pod", name_of(pod), "Failed", "InspectFailed")
                if image in event.get("message", "")
            ),
        ]
    )
    evidence = _evidence(facts, pod, image, waiting(status).get("message") or "")
    set_image = f"sampan set image pod/{name_of(pod)} {name}="
    code, what, advice, fix = _told(pod, container, image, reason, said.lower(), set_image)
    yield Finding(code, f'container "{name}": {what}', evidence, (), fix, advice)


def _told(
    pod: Object, container: Object, image: str, reason: str, said: str, set_image: str
) -> tuple[str, str, str, str]:
    repository, tag = _split(image)
    if reason == "InvalidImageName":
        return (
            "ImageNameInvalid",
            f'"{image}" is no valid image name',
            "names are lower case, with one tag",
            f"{set_image}{image.lower().split(':')[0]}:TAG",
        )
    if reason == "ErrImageNeverPull":
        return (
            "ImageNotOnNode",
            f'"{image}" is not on the node, and imagePullPolicy Never forbids pulling it',
            "load it into the node (or use imagePullPolicy IfNotPresent)",
            "sampan image load IMAGE.tar",
        )
    if "toomanyrequests" in said or "rate limit" in said or "429" in said:
        return (
            "RegistryRateLimit",
            f'the registry of "{image}" refuses more pulls for now',
            "log in to the registry: its limit is higher then",
            _secret_fix(pod),
        )
    if any(text in said for text in ("no such host", "name resolution", "name or service not known", "nodename nor")):
        return (
            "RegistryUnknownHost",
            f'the registry "{_host(image)}" has no address: its name is wrong, or DNS is down',
            "use a registry that exists",
            f"{set_image}REGISTRY/{image.rsplit('/', 1)[-1]}",
        )
    if "http response to https client" in said or "x509" in said or "certificate" in said:
        return (
            "RegistryTls",
            f'the registry "{_host(image)}" cannot be trusted over TLS',
            "give the node the registry's certificate authority, or configure the registry as insecure",
            f"sampan describe pod {pod['metadata']['name']}",
        )
    if any(
        text in said
        for text in (
            "connection refused",
            "i/o timeout",
            "network is unreachable",
            "timed out",
            "dial tcp",
            "cannot connect",
            "connect call failed",
        )
    ):
        return (
            "RegistryUnreachable",
            f'the registry "{_host(image)}" cannot be reached from the node',
            "check the node's network, or load the image by hand",
            "sampan image load IMAGE.tar",
        )
    if "no match for platform" in said or "no matching manifest" in said:
        return (
            "ImageWrongPlatform",
            f'"{image}" is not built for this node\'s processor',
            "use an image for this platform",
            f"{set_image}{repository}:TAG",
        )
    if repository.startswith("sampan.local/") and "not found" in said:
        return (
            "ImageNotMade",
            f'"{image}" is made on this machine, and is not yet',
            "make the images of the examples",
            "sampan image examples",
        )
    if "manifest unknown" in said or "manifest for" in said or ("not found" in said and f":{tag}" in said):
        return (
            "ImageTagMissing",
            f'the repository "{repository}" has no tag "{tag}"',
            "use a tag that exists (many registries say the same of a repository that does not)",
            f"{set_image}{repository}:TAG",
        )
    if any(
        text in said
        for text in (
            "unauthorized",
            "authentication required",
            "access denied",
            "denied",
            "403",
            "401",
            "no basic auth",
            "insufficient_scope",
        )
    ):
        known = [ref["name"] for ref in pod["spec"].get("imagePullSecrets") or ()]
        with_ = f"with the pull secret {', '.join(known)}" if known else "without a pull secret"
        return (
            "ImageAccessDenied",
            f'"{image}" is private, or does not exist: the registry refuses it {with_}',
            "if it is private: make a Secret with your login (imagePullSecrets must name it)",
            _secret_fix(pod, _host(image)),
        )
    if "not found" in said or "name unknown" in said or "does not exist" in said or "404" in said:
        return ("ImageMissing", f'the registry has no image "{image}"', "check the spelling", f"{set_image}IMAGE:TAG")
    return (
        "ImagePullFailed",
        f'"{image}" cannot be pulled',
        "see what the registry said above",
        f"{set_image}IMAGE:TAG",
    )


def missing_pull_secrets(facts: Facts, pod: Object) -> Iterator[Finding]:
    known = {name_of(secret) for secret in facts.of("secrets")}
    events = facts.events("Pod", name_of(pod), "FailedToRetrieveImagePullSecret")
    told = " ".join(event.get("message", "") for event in events)
    for ref in pod["spec"].get("imagePullSecrets") or ():
        # Whoever may not read Secrets sees none: then the kubelet's word counts.
        if ref["name"] not in known and (known or ref["name"] in told):
            yield Finding(
                "PullSecretMissing",
                f'the pull secret "{ref["name"]}" is not in the namespace',
                (),
                (),
                f"sampan create secret docker-registry {ref['name']} --docker-server=REGISTRY --docker-username=USER "
                f"--docker-password=PASSWORD -n {facts.namespace}",
            )


def _evidence(facts: Facts, pod: Object, image: str, message: str) -> tuple[str, ...]:
    failed = [e for e in facts.events("Pod", name_of(pod), "Failed") if image in e.get("message", "")]
    texts = [facts.told(failed[-1])] if failed else []
    if message and not any(message in text for text in texts):
        texts.append(message)
    return tuple(texts)


def _secret_fix(pod: Object, host: str = "REGISTRY") -> str:
    namespace = pod["metadata"].get("namespace") or "default"
    return (
        f"sampan create secret docker-registry regcred --docker-server={host} --docker-username=USER "
        f"--docker-password=PASSWORD -n {namespace}"
    )


def _split(image: str) -> tuple[str, str]:
    head, _, digest = image.partition("@")
    repository, colon, tag = head.rpartition(":")
    if not colon or "/" in tag:
        return head, digest or "latest"
    return repository, tag


def _host(image: str) -> str:
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"
