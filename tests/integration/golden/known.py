"""Differences from Kubernetes that are meant, each with its reason. What is not here must be equal."""

from __future__ import annotations

ANOTHER_PROGRAM = "it is another program, and says so"
NO_CONTROLLERS = "no controllers run beside the API server here"
INTERNAL_STRUCT = "Kubernetes prints a diff of its internal Go structs; we name the field and the rule"
ORDER_OF_FIELDS = "the object in the message has its fields in our order"
AUTHORIZER_ORDER = "Kubernetes' list begins with its own authoriser of paths for system:masters"
EMPTY_REQUIRED_LIST = "an empty list that is required is not tracked: nothing of it was set"
OTHER_PORT = "the recorded server listened on another port"
REVIEWS_UNTRACKED = "what is only answered and never stored has no managedFields"
RANDOM_ADDRESS = "cluster addresses and node ports are chosen at random"
RANDOM_NAMES = "the Pods that controllers made in the recording are not here"

KNOWN: dict[str, dict[str, str]] = {
    "discovery": {
        "/version": ANOTHER_PROGRAM,
        "root": "Kubernetes lists every post-start hook's health check by its own name, and beta versions",
        "/readyz?verbose": "not every post-start hook of Kubernetes has a step of ours that it could stand for",
        "yaml answer": "Kubernetes makes its first namespaces past admission: spec.finalizers has no manager there",
    },
    "defaults": {
        "clusterroles golden-cr": EMPTY_REQUIRED_LIST,
        "rules review": AUTHORIZER_ORDER,
        **dict.fromkeys(("token", "self subject access", "subject access denied"), REVIEWS_UNTRACKED),
    },
    "invalid": {
        "annotations too big": "the recording cut the long annotation off: what is sent here is short",
        "configmap big": "the recording cut the long value off: what is sent here is short",
        "unknown field warned": "the recording kept the last of several Warning headers",
        "projected none": "Go writes an empty list that is required as null",
        "privileged no escalation": "the recorded server refused privileged containers altogether",
        "list: future rv": "the present revision in the message is the recording's",
    },
    "updates": {
        **dict.fromkeys(
            (
                "put: command", "put: restartPolicy", "put: nodeName", "put: grace", "put: resources",
                "patch: merge list",
            ),
            INTERNAL_STRUCT,
        ),
        "patch: unknown field strict": ORDER_OF_FIELDS,
        "patch: strategic replace list": "a replace directive in a list is an instruction to us, not an unknown field",
    },
    "tables": {
        "partial list": RANDOM_NAMES,
        **dict.fromkeys(
            ("daemonsets", "deployments", "jobs", "replicasets", "resourcequotas", "persistentvolumes"), NO_CONTROLLERS
        ),
        "services": RANDOM_ADDRESS,
    },
    "bootstrap": {
        "/apis/rbac.authorization.k8s.io/v1/clusterroles": f"{NO_CONTROLLERS}: aggregated roles are not yet filled",
        "/api/v1/namespaces/default/services": OTHER_PORT,
        "/apis/networking.k8s.io/v1/servicecidrs": f"{NO_CONTROLLERS}: its finalizer is theirs",
    },
}  # fmt: skip
