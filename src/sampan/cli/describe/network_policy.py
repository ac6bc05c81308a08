"""NetworkPolicies, said as sentences."""

from __future__ import annotations

import time

from sampan.api import times
from sampan.cli.describe.text import Object, Text, annotation_lines, labels, meta, selector_text


def network_policy(text: Text, obj: Object, listed: list[Object] | None) -> None:
    spec = obj.get("spec") or {}
    text.field("Name", meta(obj)["name"])
    text.field("Namespace", meta(obj).get("namespace", ""))
    made = meta(obj).get("creationTimestamp")
    text.field(
        "Created on", time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(times.parse(made))) if made else ""
    )
    labels(text, "Labels", meta(obj).get("labels"))
    annotation_lines(text, "Annotations", meta(obj).get("annotations"))
    text.line("Spec:")
    selector = spec.get("podSelector") or {}
    if not selector:
        text.line("PodSelector:     <none> (Allowing the specific traffic to all pods in this namespace)", 1)
    else:
        text.line(f"PodSelector:     {selector_text(selector)}", 1)
    types = spec.get("policyTypes") or ["Ingress"]
    for kind, field, peers, word in (("Ingress", "ingress", "from", "From"), ("Egress", "egress", "to", "To")):
        if kind in types:
            text.line(f"Allowing {field} traffic:", 1)
            _rules(text, spec.get(field) or [], peers, word)
        else:
            text.line(f"Not affecting {field} traffic", 1)
    text.line(f"Policy Types: {', '.join(types)}", 1)


def _rules(text: Text, rules: list[Object], peers: str, word: str) -> None:
    if not rules:
        direction = "ingress" if word == "From" else "egress"
        text.line(f"<none> (Selected pods are isolated for {direction} connectivity)", 2)
        return
    for number, rule in enumerate(rules):
        for port in rule.get("ports") or ():
            word_of_port = "To Port Range" if port.get("endPort") else "To Port"
            end = f"-{port['endPort']}" if port.get("endPort") else ""
            text.line(f"{word_of_port}: {port.get('port', '<any>')}{end}/{port.get('protocol') or 'TCP'}", 2)
        if not rule.get("ports"):
            text.line("To Port: <any> (traffic allowed to all ports)", 2)
        if not rule.get(peers):
            text.line(f"{word}: <any> (traffic not restricted by {'source' if word == 'From' else 'destination'})", 2)
        for peer in rule.get(peers) or ():
            text.line(f"{word}:", 2)
            _peer(text, peer)
        if number != len(rules) - 1:
            text.line("----------", 2)


def _peer(text: Text, peer: Object) -> None:
    for field, title in (("namespaceSelector", "NamespaceSelector"), ("podSelector", "PodSelector")):
        if field in peer:
            text.line(f"{title}: {selector_text(peer[field])}", 3)
    block = peer.get("ipBlock")
    if block:
        text.line("IPBlock:", 3)
        text.line(f"CIDR: {block.get('cidr', '')}", 4)
        text.line(f"Except: {', '.join(block.get('except') or ())}", 4)
