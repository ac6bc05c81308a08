"""The rules of a Job's spec, for Jobs and the templates of CronJobs."""

from __future__ import annotations

from msgspec import structs

from sampan.api import names
from sampan.api.types.batch_v1 import Job, JobSpec, PodFailurePolicy, PodFailurePolicyRule, SuccessPolicy
from sampan.apiserver.registry import meta, scaling
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.defaults import default_spec
from sampan.apiserver.registry.podspec.spec import validate_template

MAX_INT32 = 2**31 - 1
_MODES = ("NonIndexed", "Indexed")
_REPLACEMENT = ("Failed", "TerminatingOrFailed")
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_RESTART = ("OnFailure", "Never")
_MAX_RULES, _MAX_VALUES, _MAX_PATTERNS = 20, 255, 20


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
    if spec.completionMode is not None:
        if spec.completionMode not in _MODES:
            errors.unsupported(f"{path}.completionMode", spec.completionMode, _MODES)
        if spec.completionMode == "Indexed":
            _indexed(spec, path, errors)
    if spec.completionMode != "Indexed":
        for wire in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if getattr(spec, wire) is not None:
                errors.invalid(f"{path}.{wire}", getattr(spec, wire), "requires indexed completion mode")
    _managed_by(spec, path, errors)
    if spec.podFailurePolicy is not None:
        _failure_policy(spec.podFailurePolicy, spec, f"{path}.podFailurePolicy", errors)
    if spec.successPolicy is not None:
        if spec.completionMode != "Indexed":
            errors.invalid(f"{path}.successPolicy", spec.successPolicy, "requires indexed completion mode")
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
    if (spec.parallelism or 0) > 100_000:
        detail = "must be less than or equal to 100000 when completion mode is Indexed"
        errors.invalid(f"{path}.parallelism", spec.parallelism, detail)
    if spec.completions is not None and spec.maxFailedIndexes is not None and spec.maxFailedIndexes > spec.completions:
        errors.invalid(f"{path}.maxFailedIndexes", spec.maxFailedIndexes, "must be less than or equal to completions")


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
        errors.required(f"{path}.action", 'valid values: "Count", "FailIndex", "FailJob", "Ignore"')
    elif rule.action not in _ACTIONS:
        errors.unsupported(f"{path}.action", rule.action, _ACTIONS)
    elif rule.action == "FailIndex" and spec.backoffLimitPerIndex is None:
        errors.invalid(f"{path}.action", rule.action, "requires the backoffLimitPerIndex to be set")
    codes = rule.onExitCodes
    if codes is not None and rule.onPodConditions:
        errors.invalid(path, "", "specifying both OnExitCodes and OnPodConditions is not supported")
    if codes is None and not rule.onPodConditions:
        errors.invalid(path, "", "specifying one of OnExitCodes and OnPodConditions is required")
    if codes is not None:
        here = f"{path}.onExitCodes"
        if not codes.operator:
            errors.required(f"{here}.operator", 'valid values: "In", "NotIn"')
        elif codes.operator not in ("In", "NotIn"):
            errors.unsupported(f"{here}.operator", codes.operator, ("In", "NotIn"))
        if codes.containerName is not None and codes.containerName not in containers:
            errors.invalid(
                f"{here}.containerName",
                codes.containerName,
                "must be one of the container or initContainer names in the pod template",
            )
        values = codes.values or []
        if not values:
            errors.invalid(f"{here}.values", values, "at least one value is required")
        elif len(values) > _MAX_VALUES:
            errors.too_many(f"{here}.values", len(values), _MAX_VALUES)
        ordered = True
        for at, value in enumerate(values):
            if codes.operator == "In" and value == 0:
                errors.invalid(f"{here}.values[{at}]", value, "must not be 0 for the In operator")
            if value in values[:at]:
                errors.duplicate(f"{here}.values[{at}]", value)
            ordered = ordered and (at == 0 or values[at - 1] <= value)
        if not ordered:
            errors.invalid(f"{here}.values", values, "must be ordered")
    if len(rule.onPodConditions or ()) > _MAX_PATTERNS:
        errors.too_many(f"{path}.onPodConditions", len(rule.onPodConditions or ()), _MAX_PATTERNS)
    for at, pattern in enumerate(rule.onPodConditions or ()):
        here = f"{path}.onPodConditions[{at}]"
        errors.each(f"{here}.type", pattern.type, names.qualified_name(pattern.type))
        if not pattern.status:
            errors.required(f"{here}.status", 'valid values: "False", "True", "Unknown"')
        elif pattern.status not in ("True", "False", "Unknown"):
            errors.unsupported(f"{here}.status", pattern.status, ("False", "True", "Unknown"))


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
        total = parse_indexes(rule.succeededIndexes, completions) if rule.succeededIndexes is not None else None
        if rule.succeededIndexes is not None and total is None:
            detail = "error parsing succeededIndexes: invalid format"
            errors.invalid(f"{here}.succeededIndexes", rule.succeededIndexes, detail)
        if rule.succeededCount is not None:
            where = f"{here}.succeededCount"
            scaling.non_negative(rule.succeededCount, where, errors)
            if completions is not None and rule.succeededCount > completions:
                detail = f"must be less than or equal to {completions} (the number of specified completions)"
                errors.invalid(where, rule.succeededCount, detail)
            if total is not None and rule.succeededCount > total:
                said = "the number of indexes in the specified succeededIndexes field"
                detail = f"must be less than or equal to {total} ({said})"
                errors.invalid(where, rule.succeededCount, detail)


def parse_indexes(text: str, completions: int | None) -> int | None:
    """How many indexes `0,2-4` names; None when it is no such list."""
    if not text:
        return 0
    total, last = 0, -1
    for part in text.split(","):
        first, dash, end = part.partition("-")
        if not first.isdecimal() or (dash and not end.isdecimal()):
            return None
        low, high = int(first), int(end) if dash else int(first)
        if low <= last or high < low or (completions is not None and high >= completions):
            return None
        total, last = total + high - low + 1, high
    return total


# --- changes and status ---------------------------------------------------------------------------------------------


def validate_job_change(spec: JobSpec, old_job: Job, errors: Errors) -> None:
    old = old_job.spec
    if spec.completions != old.completions:
        elastic = spec.completionMode == "Indexed" and spec.completions == spec.parallelism
        if not elastic:
            detail = meta.IMMUTABLE
            if old.completionMode == "Indexed":
                detail = "can only be modified in tandem with spec.parallelism"
            errors.invalid("spec.completions", spec.completions, detail)
    for wire in (
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        if getattr(spec, wire) != getattr(old, wire):
            errors.invalid(f"spec.{wire}", getattr(spec, wire), meta.IMMUTABLE)
    if spec.template != old.template and not _only_placement(spec, old_job):
        errors.invalid("spec.template", spec.template, meta.IMMUTABLE)


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


def validate_job_status(obj: Job, old: Job, errors: Errors) -> None:
    status = obj.status
    for wire in ("active", "succeeded", "failed", "ready", "terminating"):
        scaling.non_negative(getattr(status, wire), f"status.{wire}", errors)
    finished = [c.type for c in status.conditions or () if c.status == "True" and c.type in ("Complete", "Failed")]
    if len(finished) > 1:
        errors.invalid("status.conditions", status.conditions, "cannot set Complete=True and Failed=true conditions")
    if status.completionTime is not None and "Complete" not in finished:
        detail = "cannot set completionTime when there is no Complete=True condition"
        errors.invalid("status.completionTime", status.completionTime, detail)
    done = [c.type for c in old.status.conditions or () if c.status == "True" and c.type in ("Complete", "Failed")]
    for kind in done:
        if kind not in finished:
            errors.invalid("status.conditions", status.conditions, f"cannot disable the terminal {kind}=True condition")
