"""An operator in forty lines: every Boat gets as many Pods as she has crew, and says how many are aboard.

    pip install kopf kubernetes
    sampan create -f examples/crd.yaml
    kopf run examples/operator/harbour.py --namespace default      # and in another terminal:
    sampan create -f examples/boat.yaml
    sampan get boats,deployments
"""

from typing import Any

import kopf
from kubernetes import client, config

GROUP = ("example.com", "v1", "boats")


@kopf.on.startup()
def log_in(**_: Any) -> None:
    config.load_kube_config()


@kopf.on.create(*GROUP)
def launch(body: kopf.Body, spec: kopf.Spec, name: str, namespace: str, **_: Any) -> None:
    deployment = crew(name, spec["crew"])
    kopf.adopt(deployment, owner=body)  # what belongs to a Boat goes with her
    client.AppsV1Api().create_namespaced_deployment(namespace, deployment)


@kopf.on.update(*GROUP, field="spec.crew")
def change_crew(name: str, namespace: str, new: int, **_: Any) -> None:
    client.AppsV1Api().patch_namespaced_deployment_scale(name, namespace, {"spec": {"replicas": new}})


@kopf.on.event("apps", "v1", "deployments", labels={"boat": kopf.PRESENT})
def muster(body: kopf.Body, name: str, namespace: str, **_: Any) -> None:
    """How many are aboard is the Deployment's to know; the Boat only tells."""
    aboard = body.get("status", {}).get("readyReplicas", 0)
    boats = client.CustomObjectsApi()
    try:
        boats.patch_namespaced_custom_object_status(
            *GROUP[:2], namespace, GROUP[2], name, {"status": {"aboard": aboard}}
        )
    except client.ApiException as error:
        if error.status != 404:  # she is gone, and the Deployment follows
            raise


def crew(boat: str, hands: int) -> dict[str, Any]:
    labels = {"boat": boat}
    sailor = {"name": "sailor", "image": "sampan.local/kubia"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": boat, "labels": labels},
        "spec": {
            "replicas": hands,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [sailor]}},
        },
    }
