"""What everything with replicas shares: templates, selectors, status counts, and the Scale object."""

from __future__ import annotations

from typing import Any

from sampan.api.types.autoscaling_v1 import Scale, ScaleSpec, ScaleStatus
from sampan.api.types.core_v1 import PodTemplateSpec
from sampan.api.types.meta_v1 import LabelSelector, ObjectMeta
from sampan.apiserver.registry import labels
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.spec import validate_template
from sampan.apiserver.registry.resource_names import NEGATIVE

UNMATCHED = "`selector` does not match template `labels`"
ABOVE = "cannot be greater than status.replicas"


def non_negative(value: int | None, path: str, errors: Errors) -> None:
    if value is not None and value < 0:
        errors.invalid(path, value, NEGATIVE)


def validate_selector(selector: LabelSelector | None, kind: str, path: str, errors: Errors) -> None:
    """A selector must be there and select something."""
    if selector is None:
        errors.required(path)
        return
    labels.validate_selector(selector, path, errors)
    if labels.is_empty(selector):
        errors.invalid(path, selector, f"empty selector is invalid for {kind}")


def validate_workload_template(
    template: PodTemplateSpec, selector: LabelSelector | None, kind: str, path: str, errors: Errors
) -> None:
    """A template for Pods that are to run for ever, and that their owner can find again."""
    if not labels.is_valid(selector):
        errors.invalid(f"{path.rpartition('.')[0]}.selector", selector, "invalid label selector")
        return
    if selector is None or (not labels.is_empty(selector) and not labels.matches(selector, template.metadata.labels)):
        errors.invalid(f"{path}.metadata.labels", template.metadata.labels, UNMATCHED)
    validate_template(template, path, errors)
    only_always(template, kind, path, errors)


def only_always(template: PodTemplateSpec, kind: str, path: str, errors: Errors) -> None:
    if template.spec.restartPolicy != "Always":
        errors.unsupported(f"{path}.spec.restartPolicy", template.spec.restartPolicy or "", ("Always",))
    if template.spec.activeDeadlineSeconds is not None:
        detail = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.forbidden(f"{path}.spec.activeDeadlineSeconds", detail)


def validate_counts(status: Any, wires: tuple[str, ...], errors: Errors) -> None:
    for wire in wires:
        non_negative(getattr(status, wire), f"status.{wire}", errors)


def not_above_replicas(status: Any, wires: tuple[str, ...], errors: Errors) -> None:
    for wire in wires:
        value = getattr(status, wire) or 0
        if value > (status.replicas or 0):
            errors.invalid(f"status.{wire}", value, ABOVE)


def available_within_ready(status: Any, errors: Errors) -> None:
    available = status.availableReplicas or 0
    if available > (status.readyReplicas or 0):
        errors.invalid("status.availableReplicas", available, "cannot be greater than readyReplicas")


def make_scale(obj: Any, selector: str) -> Scale:
    meta = obj.metadata
    return Scale(
        kind="Scale",
        apiVersion="autoscaling/v1",
        metadata=ObjectMeta(
            name=meta.name,
            namespace=meta.namespace,
            uid=meta.uid,
            resourceVersion=meta.resourceVersion,
            creationTimestamp=meta.creationTimestamp,
        ),
        spec=ScaleSpec(replicas=obj.spec.replicas),
        status=ScaleStatus(replicas=obj.status.replicas or 0, selector=selector or None),
    )


def selector_text(selector: LabelSelector | None) -> str:
    text = labels.format_selector(selector)
    return "" if text == "<none>" else text


def validate_scale(scale: Scale) -> Errors:
    errors = Errors()
    non_negative(scale.spec.replicas if scale.spec is not None else None, "spec.replicas", errors)
    return errors
