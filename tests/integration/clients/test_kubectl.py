"""Every kubectl on this machine, every verb that needs no node."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from .conftest import Served
from .kubectls import kubectls

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:1"}]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec: {containers: [{name: c, image: "busybox:1"}], nodeName: n1}
"""
CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: boats, kind: Boat, singular: boat, shortNames: [bt]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Sails, type: integer, jsonPath: .spec.sails}]
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {sails: {type: integer}}}}}}
"""
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b, x: old}\n"
BOAT = "apiVersion: example.com/v1\nkind: Boat\nmetadata: {name: b}\nspec: {sails: 3}\n"
# What is asked, and what is in the answer. `!`: it is refused.
SCRIPT = """
version | v1.36.2+sampan
cluster-info | is running at
api-versions | apps/v1
api-resources --api-group=apps | deployments
get ns | kube-node-lease
create ns extra | namespace/extra created
create configmap c --from-literal=a=b | configmap/c created
!create configmap c | already exists
get cm c -o yaml | a: b
get cm c -o jsonpath={.data.a} | b
get cm -o name | configmap/c
get cm -A --no-headers | kube-root-ca.crt?
create secret generic s --from-literal=k=v | secret/s created
apply -f deployment.yaml | deployment.apps/web created
apply -f deployment.yaml | deployment.apps/web unchanged
diff -f deployment.yaml |
apply -f deployment.yaml --server-side --force-conflicts | serverside-applied
get deploy web -o wide | nginx:1
get deploy -l app=web --show-labels | app=web
get deploy -L app --sort-by=.metadata.name | APP
describe deploy web | RollingUpdateStrategy
scale deploy web --replicas=4 | deployment.apps/web scaled
set image deploy/web web=nginx:2 | image updated
set env deploy/web A=b | env updated
set resources deploy/web --limits=cpu=1 | resource requirements updated
rollout restart deploy/web | restarted
rollout pause deploy/web | paused
rollout resume deploy/web | resumed
rollout history deploy/web | deployment.apps/web
autoscale deploy web --max=5 --min=2 | autoscaled
expose deploy web --port=80 | service/web exposed
get svc web -o jsonpath={.spec.ports[0].port} | 80
apply -f pod.yaml | pod/p created
get po -o wide | n1
get po p -o json | "qosClass": "BestEffort"
get po --field-selector=spec.nodeName=n1 --no-headers | p
label po p x=y | pod/p labeled
!label po p x=z | --overwrite is false
label po p x=z --overwrite | pod/p labeled
annotate po p k=v | pod/p annotate
patch po p -p {"metadata":{"labels":{"m":"s"}}} | pod/p patched
patch po p --type=merge -p {"metadata":{"labels":{"m":"t"}}} | pod/p patched
patch po p --type=json -p [{"op":"remove","path":"/metadata/labels/m"}] | pod/p patched
!patch po p -p {"spec":{"hostNetwork":true}} | pod updates may not change fields other than
!replace -f pod.yaml | pod updates may not change fields other than
replace -f map.yaml | configmap/c replaced
edit cm c | configmap/c edited
explain pods.spec.containers.image | KIND
explain deploy --recursive | matchLabels
run r --image=i --restart=Never --dry-run=server -o name | pod/r
auth can-i create pods | yes
auth can-i --list | *.*
create sa robot | serviceaccount/robot created
create token robot --duration=10m | .
create role r --verb=get --resource=pods | role.rbac.authorization.k8s.io/r created
create rolebinding rb --role=r --serviceaccount=default:robot | rolebinding.rbac.authorization.k8s.io/rb created
auth can-i get pods --as=system:serviceaccount:default:robot | yes
!auth can-i delete pods --as=system:serviceaccount:default:robot | no
taint node n1 k=v:NoSchedule | node/n1 tainted
cordon n1 | node/n1 cordoned
uncordon n1 | node/n1 uncordoned
drain n1 --force --ignore-daemonsets --disable-eviction --grace-period=0 | node/n1 drained
apply -f crd.yaml | customresourcedefinition.apiextensions.k8s.io/boats.example.com created
wait --for=condition=Established crd/boats.example.com --timeout=20s | condition met
apply -f boat.yaml | boat.example.com/b created
get bt b | SAILS
explain boats.spec | sails
get events | No resources found?
get --raw /livez | ok
!get pods nope | pods "nope" not found
!get nopes | the server doesn't have a resource type "nopes"
delete deploy web --cascade=orphan --wait=false | deployment.apps "web" deleted
delete cm,secret --all | deleted
delete ns extra --wait=false | namespace "extra" deleted
"""


@pytest.mark.parametrize("version", [*kubectls()] or ["none"])
def test_every_verb(served: Served, tmp_path: Path, version: str) -> None:
    if version == "none":
        pytest.skip("no kubectl is installed")
    for name, text in (("deployment", DEPLOYMENT), ("map", MAP), ("pod", POD), ("crd", CRD), ("boat", BOAT)):
        (tmp_path / f"{name}.yaml").write_text(text)
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i "s/x: old/x: edited/" "$1"\n')
    editor.chmod(0o755)
    environment = {**os.environ, "KUBECONFIG": str(served.kubeconfig), "KUBE_EDITOR": str(editor)}
    environment["HOME"] = str(tmp_path)

    def kubectl(arguments: list[str], stdin: str = "") -> tuple[int, str]:
        done = subprocess.run(
            [kubectls()[version], *arguments], env=environment, cwd=tmp_path, input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    kubectl(["create", "sa", "default"])
    node = '{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}}'
    assert kubectl(["create", "-f", "-"], node) == (0, "node/n1 created\n")
    wrong: list[str] = []
    for line in SCRIPT.strip().splitlines():
        command, _, expected = (part.strip() for part in line.partition(" | "))
        code, out = kubectl(command.removeprefix("!").removesuffix(" |").split(" "))
        fits = expected.endswith("?") or expected.strip("| ") in out
        if not fits or (code != 0) is not command.startswith("!"):
            wrong.append(f"kubectl {command}: exit {code}\n{out}")
    assert not wrong, "\n".join([version, *wrong])
