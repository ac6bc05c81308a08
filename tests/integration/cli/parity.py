# ruff: noqa: E501, SIM905 - manifests and command lines read best as they are typed
"""Many command lines with the newest kubectl on the machine and with `sampan`, against the same server and state.

    python -m tests.integration.cli.parity        prints what differs, and how many do not

Read-only lines run as they are; lines that write do so with --dry-run=server or =client, so that both find the same.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.integration.cli.golden_replay import ROOT, SAMPAN, cluster

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {app: web, tier: "1"}, annotations: {note: "a: b", long: "%s"}}
data: {a: "1", b: "two\\nlines\\n", c: "yes", d: "", e: "trailing \\nspace", f: "0x1f", g: "1e3", h: "<&>", i: "ünï"}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, labels: {app: web}}
stringData: {p: s3cret}
---
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: web, env: prod}}
spec:
  nodeSelector: {gpu: "true"}
  initContainers: [{name: i, image: busybox, command: [sh, -c, "echo hi; exit 0"]}]
  containers:
  - name: a
    image: nginx:1.25
    ports: [{containerPort: 80, name: http}, {containerPort: 443}]
    env:
    - {name: A, value: "x"}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: K, valueFrom: {configMapKeyRef: {name: settings, key: a}}}
    - {name: S, valueFrom: {secretKeyRef: {name: keys, key: p, optional: true}}}
    - {name: L, valueFrom: {resourceFieldRef: {resource: limits.memory}}}
    envFrom: [{configMapRef: {name: settings}}, {prefix: P_, secretRef: {name: keys}}]
    resources: {limits: {cpu: 500m, memory: 64Mi}, requests: {cpu: 100m}}
    livenessProbe: {httpGet: {path: /healthz, port: http}, initialDelaySeconds: 3}
    readinessProbe: {exec: {command: [cat, /tmp/x]}}
    startupProbe: {tcpSocket: {port: 80}}
    volumeMounts: [{name: v, mountPath: /v}, {name: c, mountPath: /c, readOnly: true, subPath: a}]
  - {name: b, image: busybox, args: [sleep, "1"]}
  volumes:
  - {name: v, emptyDir: {}}
  - {name: c, configMap: {name: settings}}
  - {name: h, hostPath: {path: /tmp}}
  tolerations: [{key: k, operator: Equal, value: v, effect: NoSchedule}, {operator: Exists, key: z}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web2}}
  template:
    metadata: {labels: {app: web2}}
    spec: {containers: [{name: c, image: "nginx:1.25"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web2}, ports: [{name: http, port: 80, targetPort: 8080}, {name: x, port: 81}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: "*/5 * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: busybox}]}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c, image: postgres}]}}
  volumeClaimTemplates: [{metadata: {name: d}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec: {selector: {matchLabels: {app: ag}}, template: {metadata: {labels: {app: ag}}, spec: {containers: [{name: c, image: x}]}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}], policyTypes: [Ingress, Egress]}
---
apiVersion: v1
kind: LimitRange
metadata: {name: lr}
spec: {limits: [{type: Container, max: {cpu: "2"}, default: {cpu: "1"}}]}
""" % ("x" * 150)

TYPES = "pods cm secrets deploy rs svc cronjobs sts ds pvc netpol limitrange ns sa nodes events roles clusterroles sc".split()
DESCRIBED = (
    "pod/one cm/settings secret/keys deploy/web svc/web cronjob/tick sts/db ds/agent pvc/disk limitrange/lr sa/default "
    "ns/demo clusterrole/view clusterrolebinding/cluster-admin priorityclass/system-node-critical"
).split()
LINES = """\
get pods,svc
get all
get all -A
get pod one svc/nope
get pod/one cm/settings
get pod one -o json
get pod one -o yaml --show-managed-fields
get cm settings -o yaml
get cm settings -o json
get cm,secret -o yaml
get pods -o jsonpath={.items[*].metadata.name}
get pods -o jsonpath={.items[0].spec.containers[*]['name','image']}
get pods -o jsonpath={range.items[*]}{.metadata.name}{end}
get pod one -o jsonpath={.spec.containers[?(@.name=="b")].args}
get pod one -o jsonpath={.spec.containers[-1:].name}
get pod one -o jsonpath={.spec.containers[5].name}
get pod one -o jsonpath={.metadata.labels}
get pod one -o jsonpath=plain
get pod one -o jsonpath={.nope --allow-missing-template-keys=false
get pod one -o jsonpath={.nope} --allow-missing-template-keys=false
get pod one -o jsonpath-as-json={.spec.containers[*].name}
get pod one -o go-template={{.metadata.name}}
get pod one -o go-template={{.nope.nope}}
get pod one -o go-template={{range.spec.containers}}{{.name}},{{end}}
get pods -o custom-columns=N:.metadata.name,I:.spec.containers[*].image,X:.x
get pods -o custom-columns=N:.metadata.name --no-headers
get pods -o custom-columns=N
get pods -o custom-columns
get pods -o name
get pods -o nope
get pods -o json=x
get pods --show-labels
get pods -L app,env,nope
get pods -l app=web
get pods -l app!=web
get pods -l app=web,env=prod -o name
get pods -l a=b=c
get pods one -l a=b
get pods --field-selector metadata.name=one
get pods --field-selector nope=1
get pods --sort-by=.metadata.name -o name
get cm --sort-by={.metadata.name}
get cm --sort-by=metadata.creationTimestamp -o name
get cm --sort-by={.metadata.nope -o name
get pods --no-headers
get pods --show-kind
get pods -n nowhere
get pods nope --ignore-not-found
get nope
get pods/one/x
get pods one/x
get pods/one two
get --raw /version
get --raw /nope
get -f manifest.yaml -o name
get deploy web -o wide
get deploy.v1.apps web -o name
get deployments.apps
get deploy --subresource=status
get ns -o jsonpath={.items[*].status.phase}
get pods -A -o name
get pods --chunk-size=1 -o name
get pod one --watch --nope
get pods -x
get pods --no-headers=maybe
get pods --chunk-size=x
describe
describe nope
describe pod nope
describe pod -l app=web --show-events=false
describe cm settin
label pod one env=qa --dry-run=server
label pod one env=qa --overwrite --dry-run=client
label pod one env- --dry-run=client
label pod one env=prod --dry-run=client
label pod one bad=a%b
label pods one
label pods --all x=y --dry-run=client
label pod one a=b a-
label pod nope a=b
annotate pod one a=b --dry-run=client
annotate pod one a=b --dry-run=server -o name
annotate pod one
annotate pod one note- --dry-run=client
annotate cm settings note=x
annotate cm settings note=x --overwrite --dry-run=client
patch pod one -p {"metadata":{"labels":{"z":"1"}}} --dry-run=server
patch pod one --type=json -p [{"op":"remove","path":"/metadata/labels/env"}] --dry-run=server
patch pod one --type=merge -p {"metadata":{"labels":{"env":null}}} --dry-run=client -o jsonpath={.metadata.labels}
patch pod one
patch pod one --type=x -p {}
patch pod nope -p {}
patch pod one -p nope
create -f manifest.yaml
create -f manifest.yaml --dry-run=client -o name
create -f manifest.yaml --dry-run=server -o name
create -f new.yaml --dry-run=client -o yaml
create -f new.yaml --dry-run=client -o json
create -f nope.yaml
create -f empty.yaml
create -f bad.yaml
create -f badjson.json
create -f folder --dry-run=client
create -f emptyfolder
create -f nokind.yaml
create -f nokind.yaml --validate=false
create -f unknown.yaml
create -f typo.yaml --dry-run=server
create -f typo.yaml --dry-run=server --validate=warn
create -f typo.yaml --dry-run=server --validate=ignore
create -f new.yaml -n other --dry-run=client
create -f otherns.yaml -n demo
create -f invalid.yaml
create -f list.yaml --dry-run=client
create
create -f
apply -f manifest.yaml
apply -f manifest.yaml --dry-run=client
apply -f changed.yaml --dry-run=server
apply -f changed.yaml --dry-run=client -o yaml
apply -f new.yaml --dry-run=client
apply -f new.yaml --dry-run=server --server-side
apply -f changed.yaml --server-side --dry-run=server
apply -f nope.yaml
apply -f empty.yaml
apply -f bad.yaml
apply
apply -f manifest.yaml --force-conflicts
apply view-last-applied cm settings
apply view-last-applied cm/settings -o json
apply view-last-applied sa/default
diff -f manifest.yaml
replace -f changed.yaml --dry-run=server
replace -f new.yaml --dry-run=server
replace -f changed.yaml --dry-run=client
replace
delete
delete pods
delete pod one --dry-run=client
delete pod one --dry-run=server
delete pod one -o name --dry-run=client
delete pod nope
delete pod nope --ignore-not-found
delete pod a b
delete pod one -l a=b
delete pods --all --dry-run=client
delete all --all --dry-run=server
delete cm -l none=x
delete -f manifest.yaml --dry-run=client
delete pod one --grace-period=3 --now
delete pod one --force --grace-period=5 --dry-run=client
delete ns demo --dry-run=client
explain pods
explain pod.spec --recursive
explain deploy.spec.strategy
explain cm.data
explain nope
explain pod.nope
explain pod.spec.containers.resources.limits
explain crd.spec.versions.schema
explain ingress.spec.rules
explain deployments.apps.spec.replicas
explain hpa --api-version=autoscaling/v2
explain
api-resources --namespaced=true
api-resources -o wide --no-headers
api-resources --sort-by=name -o name
api-resources --api-group=nope
api-versions
cluster-info
events
events --for pod/one
events --types=Warning
events -A
version --client=x
frobnicate
"""


class Outcome(NamedTuple):
    code: int
    stdout: str
    stderr: str


FILES = {
    "manifest.yaml": MANIFEST,
    "changed.yaml": MANIFEST.split("---")[0].replace('"1"', '"2"'),
    "new.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: new\ndata:\n  z: 'x'\n  a: |\n    l1\n    l2\n",
    "otherns.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: new\n  namespace: other\n",
    "empty.yaml": "# nothing\n",
    "bad.yaml": "a: [1, 2\nb: 3\n",
    "badjson.json": '{"a": 1,,}',
    "nokind.yaml": "apiVersion: v1\nmetadata:\n  name: x\n",
    "unknown.yaml": "apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: w\n",
    "typo.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: t\n  lables: {}\ndatta: {}\n",
    "invalid.yaml": "apiVersion: v1\nkind: Pod\nmetadata:\n  name: Bad_Name\nspec:\n  containers: []\n",
    "list.yaml": "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: l}\n",
    "folder/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n",
    "folder/a.json": '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}',
    "folder/not.txt": "no manifest",
}


def lines() -> Iterator[list[str]]:
    for kind in TYPES:
        yield ["get", kind]
        yield ["get", kind, "-o", "wide"]
    for word in DESCRIBED:
        yield ["describe", word]
    for line in LINES.splitlines():
        yield line.split(" ")


def kubectl() -> str:
    """The newest there is."""
    found = shutil.which("kubectl")
    folder = Path(os.path.realpath(found)).parent if found else Path()
    versions = sorted(folder.glob("kubectl.1.*"), key=lambda path: int(path.name.rpartition(".")[2]))
    return str(versions[-1]) if versions else found or ""


def outcome(command: list[str], line: list[str], folder: str, kubeconfig: Path) -> Outcome:
    env = os.environ | {
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": f"{folder}/.cache-{os.path.basename(command[0])}",
        "PYTHONPATH": str(ROOT / "src"),
    }
    done = subprocess.run([*command, *line], cwd=folder, env=env, capture_output=True, text=True, input="", timeout=60)
    return Outcome(done.returncode, *(_normal(text) for text in (done.stdout, done.stderr)))


def _normal(text: str) -> str:
    text = re.sub(r"\b(\d+[smh]){1,2}\b", "<age>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>", text)
    text = re.sub(r"(LIVE|MERGED)-\w+", r"\1", text)
    text = text.replace("kubectl.1.33", "kubectl").replace("jsonpath-file,kyaml", "jsonpath-file")
    text = re.sub(r'(" (?:force )?deleted) from \S+ namespace', r"\1", text)  # newer than the newest here may be
    return re.sub(r"WARNING: version difference.*\n", "", re.sub(r" +(?=\n)|(?<=\S) {2,}", "  ", text))


def compare() -> tuple[int, list[str]]:
    """(lines that are the same, what differs)."""
    real = kubectl()
    same, different = 0, []
    with cluster() as kubeconfig, tempfile.TemporaryDirectory() as folder:
        for name, content in FILES.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        (Path(folder) / "emptyfolder").mkdir()
        outcome([real], ["create", "namespace", "demo"], folder, kubeconfig)
        outcome([real], ["wait", "--for=create", "serviceaccount/default", "--timeout=20s"], folder, kubeconfig)
        made = outcome([real], ["apply", "-f", "manifest.yaml"], folder, kubeconfig)
        assert not made.code, made.stderr
        for line in lines():
            theirs, ours = outcome([real], line, folder, kubeconfig), outcome(SAMPAN, line, folder, kubeconfig)
            if theirs == ours:
                same += 1
                continue
            different.append(f"### {' '.join(line)}\n{_difference(theirs, ours)}")
    return same, different


def _difference(theirs: Outcome, ours: Outcome) -> str:
    import difflib

    told = [] if theirs.code == ours.code else [f"exit code {ours.code}, kubectl's {theirs.code}"]
    for what, left, right in (("stdout", theirs.stdout, ours.stdout), ("stderr", theirs.stderr, ours.stderr)):
        if left != right:
            shown = difflib.unified_diff(left.splitlines(), right.splitlines(), "kubectl", "sampan", lineterm="", n=0)
            told.append(f"{what}:\n" + "\n".join(shown))
    return "\n".join(told)


if __name__ == "__main__":
    count, told = compare()
    print("\n".join(told))
    print(f"{count} the same, {len(told)} not", file=sys.stderr)
