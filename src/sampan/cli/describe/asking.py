"""What describers ask the server besides the object itself. What may not be asked is left out."""

from __future__ import annotations

from sampan.api.errors import ApiError
from sampan.cli.describe.text import Object, meta
from sampan.cli.session import Session
from sampan.client.calls import ListOptions
from sampan.client.resources import NoSuchKind


def listed(
    session: Session, api_version: str, kind: str, *, namespace: str = "", labels: str = "", fields: str = ""
) -> list[Object] | None:
    """None when the server does not say."""
    try:
        info = session.resources.for_kind(api_version, kind)
        return list(session.client.of(info).list(ListOptions(labels, fields), namespace=namespace).items)
    except (ApiError, NoSuchKind):
        return None


def controlled(session: Session, obj: Object, selector: Object | None, api_version: str, kind: str) -> list[Object]:
    """What an object's selector finds and it controls."""
    from sampan.cli.describe.text import selector_text

    words = selector_text(selector)
    found = listed(session, api_version, kind, namespace=meta(obj).get("namespace", ""), labels=words) or []
    uid = meta(obj).get("uid")
    return [
        one
        for one in found
        if any(owner.get("uid") == uid and owner.get("controller") for owner in meta(one).get("ownerReferences") or ())
    ]


def pods_status(session: Session, obj: Object, selector: Object | None) -> str:
    """`1 Running / 0 Waiting / 0 Succeeded / 0 Failed`."""
    counts = {"Running": 0, "Pending": 0, "Succeeded": 0, "Failed": 0}
    for pod in controlled(session, obj, selector, "v1", "Pod"):
        phase = (pod.get("status") or {}).get("phase") or ""
        if phase in counts:
            counts[phase] += 1
    return (
        f"{counts['Running']} Running / {counts['Pending']} Waiting / {counts['Succeeded']} Succeeded / "
        f"{counts['Failed']} Failed"
    )


def endpoints_text(slices: list[Object] | None, port_name: str | None = None) -> str:
    """`10.244.0.5:8080,10.244.0.6:8080 + 2 more...` of the ready addresses."""
    if not slices:
        return "<none>"
    found = []
    for one in slices:
        ports = [port for port in one.get("ports") or () if port_name is None or (port.get("name") or "") == port_name]
        if not one.get("ports"):
            ports = [{}]
        for port in ports:
            for endpoint in one.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready") is False:
                    continue
                for address in endpoint.get("addresses") or ():
                    number = port.get("port")
                    host = f"[{address}]" if ":" in address else address
                    found.append(address if number is None else f"{host}:{number}")
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return ",".join(found[:3]) + more


def slices_of(session: Session, namespace: str, service: str) -> list[Object] | None:
    return listed(
        session,
        "discovery.k8s.io/v1",
        "EndpointSlice",
        namespace=namespace,
        labels=f"kubernetes.io/service-name={service}",
    )
