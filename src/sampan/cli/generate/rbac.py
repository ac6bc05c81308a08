"""Roles and bindings from flags. `resolve` says which group and resource a word of `--resource` means."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sampan.cli.generate import GenerateError, Object, head, parse_labels

RBAC = "rbac.authorization.k8s.io/v1"
GROUP = "rbac.authorization.k8s.io"
Resolve = Callable[[str], tuple[str, str]]
STANDARD_VERBS = frozenset(
    (
        "*",
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
        "use",
        "bind",
        "escalate",
        "impersonate",
        "approve",
        "sign",
        "attest",
        "request-serviceaccounts-token-audience",
    ),
)


def role(
    name: str,
    verbs: Sequence[str],
    resources: Sequence[str],
    names: Sequence[str],
    resolve: Resolve,
    *,
    namespace: str = "",
) -> Object:
    if not verbs:
        raise GenerateError("at least one verb must be specified")
    if not resources:
        raise GenerateError("at least one resource must be specified")
    rules = resource_rules(verbs, resources, names, resolve)
    return head(RBAC, "Role", name, namespace) | {"rules": rules}


def cluster_role(
    name: str,
    verbs: Sequence[str],
    resources: Sequence[str],
    names: Sequence[str],
    urls: Sequence[str],
    aggregation: dict[str, str],
    resolve: Resolve,
) -> Object:
    made = head(RBAC, "ClusterRole", name)
    if aggregation:
        if urls or resources or verbs or names:
            raise GenerateError(
                "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames"
            )
        return made | {"rules": None, "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": aggregation}]}}
    if not verbs:
        raise GenerateError("at least one verb must be specified")
    if not resources and not urls:
        raise GenerateError("one of resource or nonResourceURL must be specified")
    for url in urls:
        if url != "*" and not url.startswith("/"):
            raise GenerateError("nonResourceURL should start with /")
    rules = resource_rules(verbs, resources, names, resolve) if resources else []
    if urls:
        rules.append({"verbs": list(verbs), "nonResourceURLs": list(urls)})
    return made | {"rules": rules}


def resource_rules(
    verbs: Sequence[str], resources: Sequence[str], names: Sequence[str], resolve: Resolve
) -> list[Object]:
    """One rule a group; `*` verbs swallow the others."""
    kept = ["*"] if "*" in verbs else list(dict.fromkeys(verbs))
    groups: dict[str, list[str]] = {}
    for text in dict.fromkeys(resources):
        word, slash, part = text.partition("/")
        if word == "*" or word == "*.*":
            group, resource = "*", "*"
        elif word.startswith("*."):
            group, resource = word[2:], "*"
        else:
            group, resource = resolve(word)
        groups.setdefault(group, []).append(f"{resource}/{part}" if slash else resource)
    rules = []
    for group in sorted(groups):
        rule: Object = {"verbs": kept, "apiGroups": [group], "resources": groups[group]}
        if names:
            rule["resourceNames"] = list(names)
        rules.append(rule)
    return rules


def binding(
    name: str,
    *,
    cluster_wide: bool,
    role_name: str = "",
    cluster_role_name: str = "",
    users: Sequence[str] = (),
    groups: Sequence[str] = (),
    accounts: Sequence[str] = (),
    namespace: str = "",
) -> Object:
    if not cluster_wide and bool(role_name) == bool(cluster_role_name):
        raise GenerateError("exactly one of clusterrole or role must be specified")
    made = head(RBAC, "ClusterRoleBinding" if cluster_wide else "RoleBinding", name, namespace)
    listed = subjects(users, groups, accounts)
    if listed:
        made["subjects"] = listed
    kind = "Role" if role_name else "ClusterRole"
    return made | {"roleRef": {"apiGroup": GROUP, "kind": kind, "name": role_name or cluster_role_name}}


def subjects(users: Sequence[str], groups: Sequence[str], accounts: Sequence[str]) -> list[Object]:
    made: list[Object] = [{"kind": "User", "apiGroup": GROUP, "name": user} for user in users]
    made += [{"kind": "Group", "apiGroup": GROUP, "name": group} for group in groups]
    for account in accounts:
        namespace, colon, name = account.partition(":")
        if not colon or not namespace or not name or ":" in name:
            raise GenerateError("serviceaccount must be <namespace>:<name>")
        made.append({"kind": "ServiceAccount", "name": name, "namespace": namespace})
    return made


def aggregation_labels(pairs: dict[str, str]) -> dict[str, str]:
    return parse_labels(",".join(f"{key}={value}" for key, value in pairs.items()))
