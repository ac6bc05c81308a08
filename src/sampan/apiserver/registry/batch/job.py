"""Jobs. The rules of their spec are in `job_rules.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sampan.api import names
from sampan.api.types.batch_v1 import Job
from sampan.api.types.meta_v1 import LabelSelector
from sampan.apiserver.registry import labels, meta, scaling
from sampan.apiserver.registry.batch.job_rules import (
    default_job_spec,
    validate_job_change,
    validate_job_spec,
)
from sampan.apiserver.registry.batch.job_status import has_condition, validate_job_status
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.warnings import template_warnings
from sampan.apiserver.registry.printing import age_of, containers, duration, format_selector, parse_time
from sampan.apiserver.registry.strategy import AGE, NAME, Column, Strategy, WriteContext

UID_LABEL = "batch.kubernetes.io/controller-uid"
NAME_LABEL = "batch.kubernetes.io/job-name"
_OLD_UID_LABEL, _OLD_NAME_LABEL = "controller-uid", "job-name"
_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
_UNLIKE_A_LABEL = (
    "this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended"
)
_TOO_MANY_INDEXES = (
    "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes "
    "might not be able to track completedIndexes when a big number of indexes fail"
)


class JobStrategy(Strategy):
    columns: ClassVar[tuple[Column, ...]] = (
        NAME,
        Column("Status", description="How it is going."),
        Column("Completions", description="Pods that have succeeded, of how many."),
        Column("Duration", description="How long it took, or has taken so far."),
        AGE,
        Column("Containers", description="Names of its Pods' containers.", priority=1),
        Column("Images", description="Images of its Pods' containers.", priority=1),
        Column("Selector", description="How it finds its Pods.", priority=1),
    )
    field_labels: ClassVar[frozenset[str]] = frozenset(("status.successful",))
    generation_fields: ClassVar[tuple[str, ...]] = ("spec",)
    default_propagation: ClassVar[str] = "Orphan"
    delete_warning: ClassVar[str] = _ORPHANS
    reset_fields: ClassVar[tuple[str, ...]] = ("status",)
    status_reset_fields: ClassVar[tuple[str, ...]] = ("spec",)

    def set_defaults(self, obj: Job) -> None:
        default_job_spec(obj.spec)
        if not obj.metadata.labels and obj.spec.template.metadata.labels:
            obj.metadata.labels = dict(obj.spec.template.metadata.labels)

    def prepare_for_create(self, obj: Job, context: WriteContext) -> None:
        super().prepare_for_create(obj, context)
        if not obj.spec.manualSelector:
            generate_selector(obj)

    def validate_spec(self, obj: Job, errors: Errors) -> None:
        if not obj.spec.manualSelector:
            _generated(obj, errors)
        validate_job_spec(obj.spec, "spec", errors)
        _selector(obj, errors)
        if obj.spec.completionMode == "Indexed" and (obj.spec.completions or 0) > 0:
            hostname = f"{obj.metadata.name or ''}-{(obj.spec.completions or 0) - 1}"
            if names.dns1123_label(hostname):
                detail = f"will not able to create pod with invalid DNS label: {hostname}"
                errors.invalid("metadata.name", obj.metadata.name or "", detail)

    def validate_update(self, obj: Job, old: Job) -> Errors:
        # Kubernetes, too, judges the spec twice on the way.
        errors = self.validate(obj)
        errors += meta.validate_object_meta_update(obj.metadata, old.metadata)
        validate_job_spec(obj.spec, "spec", errors)
        _selector(obj, errors)
        validate_job_change(obj.spec, old, errors)
        return errors

    def validate_status(self, obj: Job, old: Job, errors: Errors) -> None:
        validate_job_status(obj, old, errors)

    def warnings(self, obj: Job, old: Job | None) -> list[str]:
        said = names.dns1123_label(obj.metadata.name or "") if old is None else []
        found = [f"metadata.name: {_UNLIKE_A_LABEL}: [{' '.join(said)}]"] if said else []
        found += template_warnings(obj.spec.template, "spec.template", old.spec.template if old is not None else None)
        big = (obj.spec.completions or 0) > 100_000 and (obj.spec.parallelism or 0) > 10_000
        if obj.spec.completionMode == "Indexed" and big:
            found.append(_TOO_MANY_INDEXES)
        return found

    def selectable_fields(self, obj: Job) -> dict[str, str]:
        return {**super().selectable_fields(obj), "status.successful": str(obj.status.succeeded or 0)}

    def cells(self, obj: Job, now: datetime) -> list[Any]:
        called, images = containers(obj.spec.template.spec)
        return [
            obj.metadata.name or "",
            status_word(obj),
            completions(obj),
            _duration(obj, now),
            age_of(obj, now),
            called,
            images,
            format_selector(obj.spec.selector),
        ]

    def row_conditions(self, obj: Job) -> list[dict[str, str]]:
        if has_condition(obj.status, "Complete"):
            message = "The job has completed successfully."
            return [{"type": "Completed", "status": "True", "reason": "Succeeded", "message": message}]
        if has_condition(obj.status, "Failed"):
            return [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The job failed."}]
        return []


def generate_selector(obj: Job) -> None:
    """The Job's own uid finds its Pods, unless its author insisted otherwise."""
    uid, name = obj.metadata.uid or "", obj.metadata.name or ""
    found = dict(obj.spec.template.metadata.labels or {})
    for key, value in ((_OLD_UID_LABEL, uid), (_OLD_NAME_LABEL, name), (UID_LABEL, uid), (NAME_LABEL, name)):
        found.setdefault(key, value)
    obj.spec.template.metadata.labels = found
    if obj.metadata.labels is None:
        obj.metadata.labels = dict(found)
    if obj.spec.selector is None:
        obj.spec.selector = LabelSelector()
    selector = obj.spec.selector
    selector.matchLabels = {**(selector.matchLabels or {})}
    selector.matchLabels.setdefault(UID_LABEL, uid)


def _generated(obj: Job, errors: Errors) -> None:
    if obj.metadata.uid is None:
        return
    uid, name = obj.metadata.uid, obj.metadata.name or ""
    found = obj.spec.template.metadata.labels or {}
    expected = {_OLD_UID_LABEL: uid, _OLD_NAME_LABEL: name, UID_LABEL: uid, NAME_LABEL: name}
    for key, value in expected.items():
        where = f"spec.template.metadata.labels[{key}]"
        if key not in found:
            errors.required(where, f"must be '{value}'")
        elif found[key] != value:
            errors.invalid(where, found, f"must be '{value}'")
    if obj.spec.selector is not None and not labels.matches(obj.spec.selector, expected):
        errors.invalid("spec.selector", obj.spec.selector, "`selector` not auto-generated")


def _selector(obj: Job, errors: Errors) -> None:
    selector = obj.spec.selector
    if selector is None:
        errors.required("spec.selector")
    else:
        labels.validate_selector(selector, "spec.selector", errors)
    found = obj.spec.template.metadata.labels
    if labels.is_valid(selector) and (selector is None or not labels.matches(selector, found)):
        errors.invalid("spec.template.metadata.labels", found, scaling.UNMATCHED)


def status_word(obj: Job) -> str:
    """The last thing that was decided of it."""
    for kind, word in (("Complete", "Complete"), ("Failed", "Failed")):
        if has_condition(obj.status, kind):
            return word
    if obj.metadata.deletionTimestamp is not None:
        return "Terminating"
    if has_condition(obj.status, "Suspended"):
        return "Suspended"
    if has_condition(obj.status, "FailureTarget"):
        return "FailureTarget"
    if has_condition(obj.status, "SuccessCriteriaMet"):
        return "SuccessCriteriaMet"
    return "Running"


def completions(obj: Job) -> str:
    done = obj.status.succeeded or 0
    if obj.spec.completions is not None:
        return f"{done}/{obj.spec.completions}"
    parallel = obj.spec.parallelism or 0
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(obj: Job, now: datetime) -> str:
    start = parse_time(obj.status.startTime)
    if start is None:
        return ""
    end = parse_time(obj.status.completionTime)
    if end is None:
        failed = next((c for c in obj.status.conditions or () if c.type == "Failed" and c.status == "True"), None)
        end = parse_time(failed.lastTransitionTime) if failed is not None else None
    return duration(((end or now) - start).total_seconds())
