"""The rules of a Job's spec, for Jobs and the templates of CronJobs."""

from __future__ import annotations

from msgspec import structs

from sampan.api import names
from sampan.api.types.batch_v1 import (
    Job,
    JobSpec,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyRule,
    SuccessPolicy,
)
from sampan.apiserver.registry import meta, scaling
from sampan.apiserver.registry.batch.indexes import IndexesError, how_many, parse_indexes
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec import goform
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.spec import validate_template

MAX_INT32 = 2**31 - 1
_MODES = ("NonIndexed", "Indexed")
_REPLACEMENT = ("Failed", "TerminatingOrFailed")
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_RESTART = ("OnFailure", "Never")
# An Indexed Job with more completions than _MANY may fail, and run at once, no more than _FEW of them.
_MANY, _FEW = 100_000, 10_000
_MAX_RULES, _MAX_VALUES, _MAX_PATTERNS = 20, 255, 20
_FORMS = {"podFailurePolicy": "FailurePolicy", "successPolicy": "SuccessPolicy"}
_MAX_INDEXES_TEXT = 64 * 1024


def default_job_spec(spec: JobSpec) -> None:
    default_template(spec)
    if spec.completions is None and spec.parallelism is None:
        spec.completions = spec.parallelism = 1
    if spec.parallelism is None:
        spec.parallelism = 1
    if spec.backoffLimit is None:
        spec.backoffLimit = MAX_INT32 if spec.backoffLimitPerIndex is not None else 6
    if not spec.completionMode:
        spec.completionMode = "NonIndexed"
    if spec.suspend is None:
        spec.suspend = False
    if spec.podFailurePolicy is not None:
        for rule in spec.podFailurePolicy.rules or ():
            for pattern in rule.onPodConditions or ():
                if not pattern.status:
                    pattern.status = "True"
    if spec.manualSelector is None:
        spec.manualSelector = False
    if spec.podReplacementPolicy is None:
        spec.podReplacementPolicy = "Failed" if spec.podFailurePolicy is not None else "TerminatingOrFailed"


def default_template(spec: JobSpec) -> None:
    """Of the Pod, everything but the restart policy, which a Job's author has to choose."""
    pod = spec.template.spec
    said = pod.restartPolicy
    default_spec(pod)
    pod.restartPolicy = said or "Always"


def validate_job_spec(spec: JobSpec, path: str, errors: Errors) -> None:
    for wire in ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"):
        scaling.non_negative(getattr(spec, wire), f"{path}.{wire}", errors)
    scaling.non_negative(spec.backoffLimitPerIndex, f"{path}.backoffLimitPerIndex", errors)
    scaling.non_negative(spec.maxFailedIndexes, f"{path}.maxFailedIndexes", errors)
    if spec.maxFailedIndexes is not None and spec.backoffLimitPerIndex is None:
        errors.required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    _managed_by(spec, path, errors)
    if spec.completionMode is not None:
        if spec.completionMode not in _MODES:
            errors.unsupported(f"{path}.completionMode", spec.completionMode, _MODES)
        if spec.completionMode == "Indexed":
            _indexed(spec, path, errors)
    if spec.completionMode != "Indexed":
        for wire in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if getattr(spec, wire) is not None:
                errors.invalid(f"{path}.{wire}", getattr(spec, wire), "requires indexed completion mode")
    if spec.podFailurePolicy is not None:
        _failure_policy(spec.podFailurePolicy, spec, f"{path}.podFailurePolicy", errors)
    if spec.successPolicy is not None:
        if spec.completionMode != "Indexed":
            shown = goform.form(spec.successPolicy, "SuccessPolicy")
            errors.invalid(f"{path}.successPolicy", shown, "requires indexed completion mode")
        else:
            _success_policy(spec.successPolicy, spec.completions, f"{path}.successPolicy", errors)
    replacement = spec.podReplacementPolicy
    if replacement is not None:
        valid = ("Failed",) if spec.podFailurePolicy is not None else _REPLACEMENT
        if replacement not in valid:
            errors.unsupported(f"{path}.podReplacementPolicy", replacement, valid)
    validate_template(spec.template, f"{path}.template", errors)
    _restart_policy(spec, path, errors)


def _restart_policy(spec: JobSpec, path: str, errors: Errors) -> None:
    where, policy = f"{path}.template.spec.restartPolicy", spec.template.spec.restartPolicy
    if not policy or policy == "Always":
        # The default of Pods is of no use to Jobs: their authors have to choose.
        errors.required(where, 'valid values: "OnFailure", "Never"')
    elif policy not in _RESTART:
        errors.unsupported(where, policy, _RESTART)
    elif spec.podFailurePolicy is not None and policy != "Never":
        errors.invalid(where, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _indexed(spec: JobSpec, path: str, errors: Errors) -> None:
    if spec.completions is None:
        errors.required(f"{path}.completions", "when completion mode is Indexed")
    if (spec.parallelism or 0) > _MANY:
        detail = f"must be less than or equal to {_MANY} when completion mode is Indexed"
        errors.invalid(f"{path}.parallelism", spec.parallelism, detail)
    if spec.completions is not None and spec.maxFailedIndexes is not None and spec.maxFailedIndexes > spec.completions:
        errors.invalid(f"{path}.maxFailedIndexes", spec.maxFailedIndexes, "must be less than or equal to completions")
    if (spec.maxFailedIndexes or 0) > _MANY:
        errors.invalid(f"{path}.maxFailedIndexes", spec.maxFailedIndexes, f"must be less than or equal to {_MANY}")
    if (spec.completions or 0) > _MANY and spec.backoffLimitPerIndex is not None:
        if spec.maxFailedIndexes is None:
            errors.required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_MANY}")
        detail = f"must be less than or equal to {_FEW} when completions are above {_MANY} and used with "
        for wire in ("parallelism", "maxFailedIndexes"):
            if (getattr(spec, wire) or 0) > _FEW:
                errors.invalid(f"{path}.{wire}", getattr(spec, wire), detail + "backoff limit per index")


def _managed_by(spec: JobSpec, path: str, errors: Errors) -> None:
    if spec.managedBy is not None:
        errors.each(f"{path}.managedBy", spec.managedBy, names.domain_prefixed_path(spec.managedBy))
        if len(spec.managedBy) > 63:
            errors.too_long(f"{path}.managedBy", 63)


def _failure_policy(policy: PodFailurePolicy, spec: JobSpec, path: str, errors: Errors) -> None:
    rules = policy.rules or []
    if len(rules) > _MAX_RULES:
        errors.too_many(f"{path}.rules", len(rules), _MAX_RULES)
    containers = {c.name for c in (*spec.template.spec.containers, *(spec.template.spec.initContainers or ()))}
    for index, rule in enumerate(rules):
        _failure_rule(rule, spec, containers, f"{path}.rules[{index}]", errors)


def _failure_rule(rule: PodFailurePolicyRule, spec: JobSpec, containers: set[str], path: str, errors: Errors) -> None:
    if not rule.action:
        errors.required(f"{path}.action", 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]')
    elif rule.action == "FailIndex":
        if spec.backoffLimitPerIndex is None:
            errors.invalid(f"{path}.action", rule.action, "requires the backoffLimitPerIndex to be set")
    elif rule.action not in _ACTIONS:
        errors.unsupported(f"{path}.action", rule.action, _ACTIONS)
    if rule.onExitCodes is not None:
        _exit_codes(rule.onExitCodes, containers, f"{path}.onExitCodes", errors)
    patterns = rule.onPodConditions or []
    if len(patterns) > _MAX_PATTERNS:
        errors.too_many(f"{path}.onPodConditions", len(patterns), _MAX_PATTERNS)
    for index, pattern in enumerate(patterns):
        here = f"{path}.onPodConditions[{index}]"
        errors.each(f"{here}.type", pattern.type, names.qualified_name(pattern.type))
        if not pattern.status:
            errors.required(f"{here}.status", 'valid values: ["False" "True" "Unknown"]')
        elif pattern.status not in ("True", "False", "Unknown"):
            errors.unsupported(f"{here}.status", pattern.status, ("False", "True", "Unknown"))
    if rule.onExitCodes is not None and patterns:
        errors.wrong(path, "specifying both OnExitCodes and OnPodConditions is not supported")
    if rule.onExitCodes is None and not patterns:
        errors.wrong(path, "specifying one of OnExitCodes and OnPodConditions is required")


def _exit_codes(codes: PodFailurePolicyOnExitCodesRequirement, containers: set[str], path: str, errors: Errors) -> None:
    if not codes.operator:
        errors.required(f"{path}.operator", 'valid values: ["In" "NotIn"]')
    elif codes.operator not in ("In", "NotIn"):
        errors.unsupported(f"{path}.operator", codes.operator, ("In", "NotIn"))
    if codes.containerName is not None and codes.containerName not in containers:
        detail = "must be one of the container or initContainer names in the pod template"
        errors.invalid(f"{path}.containerName", codes.containerName, detail)
    values = codes.values or []
    if not values:
        errors.invalid(f"{path}.values", values, "at least one value is required")
    elif len(values) > _MAX_VALUES:
        errors.too_many(f"{path}.values", len(values), _MAX_VALUES)
    seen: set[int] = set()
    for at, value in enumerate(values):
        if codes.operator == "In" and value == 0:
            errors.invalid(f"{path}.values[{at}]", value, "must not be 0 for the In operator")
        if value in seen:
            errors.duplicate(f"{path}.values[{at}]", value)
        seen.add(value)
    if values != sorted(values):
        errors.invalid(f"{path}.values", values, "must be ordered")


def _success_policy(policy: SuccessPolicy, completions: int | None, path: str, errors: Errors) -> None:
    rules = policy.rules or []
    if not rules:
        errors.required(f"{path}.rules", "at least one rules must be specified when the successPolicy is specified")
    elif len(rules) > _MAX_RULES:
        errors.too_many(f"{path}.rules", len(rules), _MAX_RULES)
    for index, rule in enumerate(rules):
        here = f"{path}.rules[{index}]"
        if rule.succeededCount is None and rule.succeededIndexes is None:
            detail = "at least one of succeededCount or succeededIndexes must be specified"
            errors.required(here, detail)
        total = 0
        if rule.succeededIndexes is not None:
            where = f"{here}.succeededIndexes"
            if len(rule.succeededIndexes) > _MAX_INDEXES_TEXT:
                errors.too_long(where, _MAX_INDEXES_TEXT)
            try:
                total = how_many(parse_indexes(rule.succeededIndexes, completions or 0))
            except IndexesError as error:
                errors.invalid(where, rule.succeededIndexes, f"error parsing succeededIndexes: {error}")
        if rule.succeededCount is not None:
            where = f"{here}.succeededCount"
            scaling.non_negative(rule.succeededCount, where, errors)
            if completions is not None and rule.succeededCount > completions:
                detail = f"must be less than or equal to {completions} (the number of specified completions)"
                errors.invalid(where, rule.succeededCount, detail)
            if rule.succeededIndexes is not None and rule.succeededCount > total:
                said = "the number of indexes in the specified succeededIndexes field"
                detail = f"must be less than or equal to {total} ({said})"
                errors.invalid(where, rule.succeededCount, detail)


# --- changes --------------------------------------------------------------------------------------------------------


def validate_job_change(spec: JobSpec, old_job: Job, errors: Errors) -> None:
    old = old_job.spec
    if spec.completionMode != "Indexed":
        _immutable(spec, old, "completions", errors)
    elif spec.completions not in (None, old.completions) and spec.completions != spec.parallelism:
        detail = "can only be modified in tandem with spec.parallelism"
        errors.invalid("spec.completions", spec.completions, detail)
    _immutable(spec, old, "selector", errors)
    if spec.template != old.template and not _only_placement(spec, old_job):
        errors.invalid("spec.template", goform.template(spec.template), meta.IMMUTABLE)
    for wire in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        _immutable(spec, old, wire, errors)


def _immutable(spec: JobSpec, old: JobSpec, wire: str, errors: Errors) -> None:
    if getattr(spec, wire) != getattr(old, wire):
        value, name = getattr(spec, wire), _FORMS.get(wire)
        shown = goform.form(value, name) if value is not None and name is not None else value
        errors.invalid(f"spec.{wire}", shown, meta.IMMUTABLE)


def _only_placement(spec: JobSpec, old_job: Job) -> bool:
    """A Job that is suspended and never ran may still be told where to run."""
    if not old_job.spec.suspend or old_job.status.startTime is not None:
        return False
    old, new = old_job.spec.template, spec.template
    pod = structs.replace(
        new.spec,
        nodeSelector=old.spec.nodeSelector,
        tolerations=old.spec.tolerations,
        schedulingGates=old.spec.schedulingGates,
    )
    before = old.spec.affinity.nodeAffinity if old.spec.affinity is not None else None
    if pod.affinity is not None:
        rest = structs.replace(pod.affinity, nodeAffinity=before)
        pod.affinity = old.spec.affinity if old.spec.affinity is None and rest == type(rest)() else rest
    elif before is not None:
        pod.affinity = old.spec.affinity
    resources = {c.name: c.resources for c in old.spec.containers}
    pod.containers = [structs.replace(c, resources=resources.get(c.name, c.resources)) for c in pod.containers]
    found = structs.replace(new.metadata, labels=old.metadata.labels, annotations=old.metadata.annotations)
    return structs.replace(new, spec=pod, metadata=found) == old
