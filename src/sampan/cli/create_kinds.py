"""`create KIND …`: which module has which kind's command. Imported by `sampan.cli.create`; nothing else is imported."""

TABLE: dict[str, str] = {
    "clusterrole": "create_rbac:CLUSTER_ROLE",
    "clusterrolebinding": "create_rbac:CLUSTER_ROLE_BINDING",
    "configmap": "create_data:CONFIG_MAP",
    "cronjob": "create_workloads:CRON_JOB",
    "deployment": "create_workloads:DEPLOYMENT",
    "ingress": "create_services:INGRESS",
    "job": "create_workloads:JOB",
    "namespace": "create_policy:NAMESPACE",
    "poddisruptionbudget": "create_policy:BUDGET",
    "priorityclass": "create_policy:PRIORITY_CLASS",
    "quota": "create_policy:QUOTA",
    "role": "create_rbac:ROLE",
    "rolebinding": "create_rbac:ROLE_BINDING",
    "secret": "create_data:SECRET",
    "service": "create_services:SERVICE",
    "serviceaccount": "create_policy:SERVICE_ACCOUNT",
    "token": "create_policy:TOKEN",
}
"""Word → `module:ATTRIBUTE` of a Command."""

ALIASES: dict[str, str] = {
    "cj": "cronjob",
    "cm": "configmap",
    "deploy": "deployment",
    "ing": "ingress",
    "ns": "namespace",
    "pc": "priorityclass",
    "pdb": "poddisruptionbudget",
    "resourcequota": "quota",
    "sa": "serviceaccount",
    "svc": "service",
}
"""`deploy` → `deployment`."""
