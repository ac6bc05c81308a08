"""What the status of a Job may become, whoever its controller is: what is over stays over, counters never go back."""

from __future__ import annotations

from sampan.api.types.batch_v1 import Job, JobStatus
from sampan.apiserver.registry import scaling
from sampan.apiserver.registry.batch.indexes import IndexesError, first_common, parse_indexes
from sampan.apiserver.registry.field import Errors
from sampan.apiserver.registry.podspec.goform import form

_CONDITIONS = "status.conditions"


def has_condition(status: JobStatus, kind: str) -> bool:
    return any(c.type == kind and c.status == "True" for c in status.conditions or ())


def _finished(status: JobStatus) -> bool:
    return has_condition(status, "Complete") or has_condition(status, "Failed")


def validate_job_status(obj: Job, old: Job, errors: Errors) -> None:
    status = obj.status
    for wire in ("active", "succeeded", "failed", "ready", "terminating"):
        scaling.non_negative(getattr(status, wire), f"status.{wire}", errors)
    _uncounted(status, errors)
    _completion(status, old.status, errors)
    _end(status, old.status, errors)
    _indexes(obj, old, errors)
    _pods(status, old.status, errors)
    met, complete = has_condition(status, "SuccessCriteriaMet"), has_condition(status, "Complete")
    if met and has_condition(status, "Failed"):
        errors.wrong(_CONDITIONS, "cannot set SuccessCriteriaMet=True and Failed=true conditions")
    if met and has_condition(status, "FailureTarget"):
        errors.wrong(_CONDITIONS, "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions")
    if obj.spec.successPolicy is not None and not met and complete:
        detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        errors.wrong(_CONDITIONS, detail)
    _transitions(obj, old, errors)


def _uncounted(status: JobStatus, errors: Errors) -> None:
    if status.uncountedTerminatedPods is None:
        return
    seen: set[str] = set()
    for wire in ("succeeded", "failed"):
        for index, uid in enumerate(getattr(status.uncountedTerminatedPods, wire) or ()):
            path = f"status.uncountedTerminatedPods.{wire}[{index}]"
            if not uid:
                errors.invalid(path, uid, "must not be empty")
            elif uid in seen:
                errors.duplicate(path, uid)
            seen.add(uid)


def _completion(status: JobStatus, old: JobStatus, errors: Errors) -> None:
    """Only what this change touched is judged: the rest may be waiting for its controller to catch up."""
    complete, failed = has_condition(status, "Complete"), has_condition(status, "Failed")
    turned = complete != has_condition(old, "Complete")
    fell = failed != has_condition(old, "Failed")
    doomed = has_condition(status, "FailureTarget")
    timed = status.completionTime != old.completionTime
    if (turned or fell) and complete and failed:
        errors.wrong(_CONDITIONS, "cannot set Complete=True and Failed=true conditions")
    if (turned or doomed != has_condition(old, "FailureTarget")) and complete and doomed:
        errors.wrong(_CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions")
    if turned or timed:
        if status.completionTime is not None and not complete:
            detail = "cannot set completionTime when there is no Complete=True condition"
            errors.invalid("status.completionTime", status.completionTime, detail)
        if status.completionTime is None and complete:
            errors.required("status.completionTime", "completionTime is required for Complete jobs")
    began, ended = status.startTime, status.completionTime
    if (timed or began != old.startTime) and began is not None and ended is not None and ended < began:
        errors.invalid("status.completionTime", ended, "completionTime cannot be set before startTime")
    if (fell or doomed != has_condition(old, "FailureTarget")) and failed and not doomed:
        errors.wrong(_CONDITIONS, "cannot set Failed=True condition without the FailureTarget=true condition")
    met = has_condition(status, "SuccessCriteriaMet")
    if (turned or met != has_condition(old, "SuccessCriteriaMet")) and complete and not met:
        errors.wrong(_CONDITIONS, "cannot set Complete=True condition without the SuccessCriteriaMet=true condition")


def _end(status: JobStatus, old: JobStatus, errors: Errors) -> None:
    if not _finished(status):
        return
    ended = not _finished(old)
    if (status.active or 0) > 0 and (ended or status.active != old.active):
        errors.invalid("status.active", status.active, "active>0 is invalid for finished job")
    if status.startTime is None and (ended or old.startTime is not None):
        errors.required("status.startTime", "startTime is required for finished job")
    waiting = status.uncountedTerminatedPods
    changed = ended or waiting != old.uncountedTerminatedPods
    if changed and waiting is not None and (waiting.succeeded or waiting.failed):
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        errors.invalid("status.uncountedTerminatedPods", form(waiting, "Uncounted"), detail)


def _indexes(obj: Job, old: Job, errors: Errors) -> None:
    spec, done, failed = obj.spec, obj.status.completedIndexes or "", obj.status.failedIndexes
    is_new = done != (old.status.completedIndexes or "")
    failed_is_new = failed != old.status.failedIndexes
    if is_new and spec.completions is not None:
        _parsed(done, spec.completions, "completedIndexes", errors)
    if failed_is_new and spec.completions is not None and spec.backoffLimitPerIndex is not None and failed is not None:
        _parsed(failed, spec.completions, "failedIndexes", errors)
    if is_new and done and spec.completionMode != "Indexed":
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.invalid("status.completedIndexes", done, detail)
    if failed is None:
        return
    if failed_is_new and spec.backoffLimitPerIndex is None:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.invalid("status.failedIndexes", failed, detail)
    if (is_new or failed_is_new) and spec.completions is not None:
        try:
            both = first_common(parse_indexes(done, spec.completions), parse_indexes(failed, spec.completions))
        except IndexesError:  # said above
            return
        if both is not None:
            detail = f"failedIndexes and completedIndexes overlap at index: {both}"
            errors.invalid("status.failedIndexes", failed, detail)


def _pods(status: JobStatus, old: JobStatus, errors: Errors) -> None:
    ended = _finished(status) and not _finished(old)
    if (ended or status.terminating != old.terminating) and _finished(status) and (status.terminating or 0) > 0:
        errors.invalid("status.terminating", status.terminating, "terminating>0 is invalid for finished job")
    counted = (status.ready, status.active) != (old.ready, old.active)
    if counted and (status.ready or 0) > (status.active or 0):
        errors.invalid("status.ready", status.ready, "cannot set more ready pods than active")


def _parsed(text: str, completions: int, wire: str, errors: Errors) -> None:
    try:
        parse_indexes(text, completions)
    except IndexesError as error:
        errors.invalid(f"status.{wire}", text, f"error parsing {wire}: {error}")


def _transitions(obj: Job, old: Job, errors: Errors) -> None:
    new, before = obj.status, old.status
    for kind in ("Failed", "Complete", "FailureTarget"):
        if has_condition(before, kind) and not has_condition(new, kind):
            errors.wrong(_CONDITIONS, f"cannot disable the terminal {kind}=True condition")
    if (new.failed or 0) < (before.failed or 0):
        errors.invalid("status.failed", new.failed or 0, "cannot decrease the failed counter")
    # One whose completions follow its parallelism can be made smaller, and then forgets some that succeeded.
    elastic = obj.spec.completionMode == "Indexed" and obj.spec.completions == obj.spec.parallelism
    if not elastic and (new.succeeded or 0) < (before.succeeded or 0):
        errors.invalid("status.succeeded", new.succeeded or 0, "cannot decrease the succeeded counter")
    ended, was = new.completionTime, before.completionTime
    if ended is not None and was is not None and ended != was:
        errors.invalid("status.completionTime", ended, "completionTime cannot be mutated")
    if before.startTime is not None and new.startTime != before.startTime and not obj.spec.suspend:
        errors.required("status.startTime", "startTime cannot be removed for unsuspended job")
    met = has_condition(new, "SuccessCriteriaMet")
    if has_condition(before, "SuccessCriteriaMet") and not met:
        errors.wrong(_CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition")
    if has_condition(before, "Complete") and not has_condition(before, "SuccessCriteriaMet") and met:
        detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        errors.wrong(_CONDITIONS, detail)
