"""Services, their endpoints, and Ingresses."""

from __future__ import annotations

from sampan.cli.describe.asking import endpoints_text, slices_of
from sampan.cli.describe.asking import listed as ask
from sampan.cli.describe.text import Object, Text, annotation_lines, events, header, labels, map_text, meta, truth
from sampan.cli.session import Session


def service(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec = obj.get("spec") or {}
    header(text, obj)
    text.field("Selector", map_text(spec.get("selector")))
    text.field("Type", spec.get("type") or "")
    if spec.get("ipFamilyPolicy"):
        text.field("IP Family Policy", spec["ipFamilyPolicy"])
    text.field("IP Families", ",".join(spec.get("ipFamilies") or ()) or "<none>")
    text.field("IP", spec.get("clusterIP") or "")
    text.field("IPs", ",".join(spec.get("clusterIPs") or ()) or "<none>")
    if spec.get("externalIPs"):
        text.field("External IPs", ",".join(spec["externalIPs"]))
    if spec.get("loadBalancerIP"):
        text.field("Desired LoadBalancer IP", spec["loadBalancerIP"])
    if spec.get("externalName"):
        text.field("External Name", spec["externalName"])
    balancer = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress")
    if balancer:
        text.field("LoadBalancer Ingress", ", ".join(_ingress_point(one) for one in balancer))
    found = slices_of(session, meta(obj).get("namespace", ""), meta(obj)["name"])
    for port in spec.get("ports") or ():
        _port(text, port, found)
    text.field("Session Affinity", spec.get("sessionAffinity") or "")
    if spec.get("externalTrafficPolicy"):
        text.field("External Traffic Policy", spec["externalTrafficPolicy"])
    if spec.get("internalTrafficPolicy"):
        text.field("Internal Traffic Policy", spec["internalTrafficPolicy"])
    if spec.get("trafficDistribution"):
        text.field("Traffic Distribution", spec["trafficDistribution"])
    if spec.get("healthCheckNodePort"):
        text.field("HealthCheck NodePort", spec["healthCheckNodePort"])
    if spec.get("loadBalancerSourceRanges"):
        text.field("LoadBalancer Source Ranges", ",".join(spec["loadBalancerSourceRanges"]))
    events(text, listed)


def _ingress_point(one: Object) -> str:
    point = one.get("ip") or one.get("hostname") or ""
    return f"{point} ({one['ipMode']})" if one.get("ipMode") else point


def _port(text: Text, port: Object, slices: list[Object] | None) -> None:
    name, protocol = port.get("name") or "<unset>", port.get("protocol") or "TCP"
    text.line(f"Port:\t{name}\t{port['port']}/{protocol}")
    text.field("TargetPort", f"{port.get('targetPort', port['port'])}/{protocol}")
    if port.get("nodePort"):
        text.line(f"NodePort:\t{name}\t{port['nodePort']}/{protocol}")
    text.field("Endpoints", endpoints_text(slices, port.get("name") or ""))


def endpoints(text: Text, obj: Object, listed: list[Object] | None) -> None:
    header(text, obj)
    text.line("Subsets:")
    for subset in obj.get("subsets") or ():
        for title, field in (("Addresses", "addresses"), ("NotReadyAddresses", "notReadyAddresses")):
            addresses = ",".join(one["ip"] for one in subset.get(field) or ())
            text.field(title, addresses or "<none>", 1)
        if subset.get("ports"):
            text.line("Ports:", 1)
            text.line("  Name\tPort\tProtocol\n    ----\t----\t--------", 1)
            for port in subset["ports"]:
                text.line(f"{port.get('name') or '<unset>'}\t{port['port']}\t{port.get('protocol') or 'TCP'}", 2)
        text.line()
    events(text, listed)


def endpoint_slice(text: Text, obj: Object, listed: list[Object] | None) -> None:
    header(text, obj)
    text.field("AddressType", obj.get("addressType", ""))
    if obj.get("ports"):
        text.line("Ports:\n  Name\tPort\tProtocol\n  ----\t----\t--------")
        for port in obj["ports"]:
            name = port.get("name") or "<unset>"
            text.line(f"{name}\t{port.get('port') or '<unset>'}\t{port.get('protocol') or 'TCP'}", 1)
    else:
        text.field("Ports", "<unset>")
    if not obj.get("endpoints"):
        text.field("Endpoints", "<none>")
    else:
        text.line("Endpoints:")
        for one in obj["endpoints"]:
            _endpoint(text, one)
    events(text, listed)


def _endpoint(text: Text, one: Object) -> None:
    text.line(f"- Addresses:\t{', '.join(one.get('addresses') or ()) or '<none>'}", 1)
    text.line("Conditions:", 2)
    ready = (one.get("conditions") or {}).get("ready")
    text.field("Ready", "<unset>" if ready is None else truth(ready), 3)
    text.field("Hostname", one.get("hostname") or "<unset>", 2)
    target = one.get("targetRef")
    if target:
        text.field("TargetRef", f"{target.get('kind', '')}/{target.get('name', '')}", 2)
    text.field("NodeName", one.get("nodeName") or "<unset>", 2)
    text.field("Zone", one.get("zone") or "<unset>", 2)


def ingress(session: Session, text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec = obj.get("spec") or {}
    namespace = meta(obj).get("namespace", "")
    text.field("Name", meta(obj)["name"])
    labels(text, "Labels", meta(obj).get("labels"))
    text.field("Namespace", namespace)
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    text.field("Address", ",".join(one.get("ip") or one.get("hostname") or "" for one in points))
    text.field("Ingress Class", spec.get("ingressClassName") or "<none>")
    default = spec.get("defaultBackend")
    text.field("Default backend", _backend(session, namespace, default) if default else "<default>")
    if spec.get("tls"):
        text.line("TLS:")
        for one in spec["tls"]:
            hosts = ",".join(one.get("hosts") or ())
            secret = one.get("secretName")
            text.line(f"{secret} terminates {hosts}" if secret else f"SNI routes {hosts}", 1)
    text.line("Rules:\n  Host\tPath\tBackends\n  ----\t----\t--------")
    count = 0
    for rule in spec.get("rules") or ():
        paths = (rule.get("http") or {}).get("paths")
        if paths is None:
            continue
        count += 1
        text.line(f"{rule.get('host') or '*'}\t", 1)
        for path in paths:
            text.line(f"\t{path.get('path') or ''} \t{_backend(session, namespace, path['backend'])}", 2)
    if not count:
        text.line(f"*\t*\t{_backend(session, namespace, default) if default else '<default>'}", 1)
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    events(text, listed)


def _backend(session: Session, namespace: str, backend: Object) -> str:
    resource = backend.get("resource")
    if resource:
        return f"APIGroup: {resource.get('apiGroup') or '<none>'}, Kind: {resource['kind']}, Name: {resource['name']}"
    held = backend.get("service") or {}
    port = held.get("port") or {}
    named = port.get("name") or port.get("number") or ""
    name = held.get("name", "")
    found = ask(session, "v1", "Service", namespace=namespace, fields=f"metadata.name={name}")
    if found is not None and not found:
        return f'{name}:{named} (<error: services "{name}" not found>)'
    target = next(
        (
            one.get("name") or ""
            for one in ((found or [{}])[0].get("spec") or {}).get("ports") or ()
            if named in (one.get("name"), one.get("port"))
        ),
        None,
    )
    slices = slices_of(session, namespace, name)
    return f"{name}:{named} ({endpoints_text(slices, target) if slices else ''})"


def ingress_class(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec = obj.get("spec") or {}
    text.field("Name", meta(obj)["name"])
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.field("Controller", spec.get("controller", ""))
    parameters = spec.get("parameters")
    if parameters:
        text.line("Parameters:")
        if parameters.get("apiGroup"):
            text.field("APIGroup", parameters["apiGroup"], 1)
        text.field("Kind", parameters.get("kind", ""), 1)
        text.field("Name", parameters.get("name", ""), 1)
    events(text, listed)
