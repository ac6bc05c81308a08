"""Sections B4, B7, C6, C7, E4, G1 to G3 and H1: what a user types on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host.rows.user import KUBIA, User, pod, runs, web

pytestmark = pytest.mark.root
FOREVER = "exec sleep 100000"


def test_what_may_not_change_is_refused_in_the_servers_words(user: User) -> None:
    user.make(pod("fixed", web()))
    user.until_ready("fixed")
    for kind, patch in {
        "strategic": '{"spec":{"containers":[{"name":"web","env":[{"name":"A","value":"b"}]}]}}',
        "merge": '{"spec":{"restartPolicy":"Never"}}',
        "json": '[{"op":"replace","path":"/spec/containers/0/name","value":"other"}]',
    }.items():
        said = user.refused("patch", "pod", "fixed", f"--type={kind}", "-p", patch)
        assert 'The Pod "fixed" is invalid' in said or "Forbidden" in said
        assert "pod updates may not change fields other than" in said
    assert user.type("patch", "pod", "fixed", "-p", '{"metadata":{"labels":{"a":"b"}}}') == "pod/fixed patched\n"
    whole = user.type("get", "pod", "fixed", "-o", "yaml")
    assert user.type("replace", "-f", "-", given=whole.replace("a: b", "a: c")) == "pod/fixed replaced\n"
    edit = ("-n", user.namespace, "edit", "pod", "fixed")
    user.typing_with(KUBE_EDITOR="true")(*edit)
    assert user.read("pod", "fixed")["metadata"]["labels"] == {"a": "c"}
    assert user.typing_with(KUBE_EDITOR="sed -i 's/a: c/a: d/'")(*edit) == "pod/fixed edited\n"
    assert user.read("pod", "fixed")["metadata"]["labels"] == {"a": "d"}


def test_server_side_apply_tells_who_owns_what(user: User) -> None:
    mine = "{apiVersion: v1, kind: ConfigMap, metadata: {name: shared}, data: {k: one}}"
    assert user.type("apply", "--server-side", "-f", "-", given=mine) == "configmap/shared serverside-applied\n"
    theirs = mine.replace("one", "two")
    said = user.refused("apply", "--server-side", "--field-manager=other", "-f", "-", given=theirs)
    assert 'conflict with "kubectl": .data.k' in said
    user.type("apply", "--server-side", "--field-manager=other", "--force-conflicts", "-f", "-", given=theirs)
    assert user.read("configmap", "shared")["data"] == {"k": "two"}


def test_explain(user: User) -> None:
    said = user.type("explain", "pod.spec")
    assert said.startswith("KIND:       Pod\nVERSION:    v1\n\nFIELD: spec <PodSpec>\n")
    assert "  containers\t<[]Container> -required-\n" in said
    tree = user.type("explain", "deployments", "--recursive")
    assert "GROUP:      apps\nKIND:       Deployment\n" in tree
    assert "      maxSurge\t<IntOrString>\n" in tree
    assert 'field "nose" does not exist' in user.refused("explain", "pod.spec.nose")


def test_what_the_cluster_says_of_itself(user: User) -> None:
    assert "Kubernetes control plane" in user.type("cluster-info")
    assert "is running at" in user.type("cluster-info")
    assert "https://127.0.0.1:" in user.type("cluster-info")
    rows = [line.split() for line in user.type("api-resources").splitlines()]
    assert rows[0] == ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    assert ["pods", "po", "v1", "true", "Pod"] in rows
    assert {"v1", "apps/v1", "batch/v1"} <= set(user.type("api-versions").split())
    assert "Server Version: v1.36" in user.type("version")
    user.make(pod("seen", web()))
    user.until_ready("seen")
    header, *events = user.type("events", "--for", "pod/seen").splitlines()
    assert header.split() == ["LAST", "SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"]
    assert {"Scheduled", "Started"} <= {line.split()[2] for line in events}
    user.until(lambda: user.try_typing("top", "pod", "seen").returncode == 0, what="figures of the Pod")
    assert user.type("top", "pod", "seen").splitlines()[0].split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert user.type("top", "node").splitlines()[0].split()[:2] == ["NAME", "CPU(cores)"]


def test_annotations_are_shown_but_select_nothing(user: User) -> None:
    user.make(pod("noted", web()))
    key = "mycompany.com/someannotation"
    assert user.type("annotate", "pod", "noted", f"{key}=foo bar") == "pod/noted annotated\n"
    assert "already has a value (foo bar)" in user.refused("annotate", "pod", "noted", f"{key}=other")
    assert f"{key}: foo bar" in user.type("describe", "pod", "noted")
    assert user.type("get", "pods", "-l", key, "-o", "name") == ""
    user.type("annotate", "pod", "noted", f"{key}-")
    assert key not in user.read("pod", "noted")["metadata"].get("annotations", {})
    said = user.refused(
        "annotate", "pod", "noted", f"big={'x' * 100_000}", f"bigger={'y' * 120_000}", f"b={'z' * 60_000}"
    )
    assert "metadata.annotations: Too long: may not be more than 262144 bytes" in said


def test_bad_labels_are_refused_with_the_rule(user: User) -> None:
    user.make(pod("labelled", web()))
    said = user.refused("label", "pod", "labelled", "a b=c")
    assert "name part must consist of alphanumeric characters" in said
    said = user.refused("label", "pod", "labelled", f"a={'x' * 64}")
    assert "must be no more than 63" in said


def test_names_live_in_namespaces(user: User, tmp_path: Path) -> None:
    names = user.type("get", "ns", "-o", "name").split()
    assert {f"namespace/{n}" for n in ("default", "kube-node-lease", "kube-public", "kube-system")} <= set(names)
    second = f"{user.namespace}-b"
    assert user.type("create", "namespace", second) == f"namespace/{second} created\n"
    text = pod("same", web())
    user.make(text)
    user.type(
        "create", "-f", "-", given=text.replace("name: same\n", f"name: same\n  namespace: {second}\n", 1), ns=second
    )
    user.until_ready("same")
    address = user.address("same")
    user.type("wait", "--for=condition=Ready", "--timeout=40s", "pod/same", ns=second)
    asked = user.type("exec", "same", "--", "wget", "-qO-", f"{address}:8080", ns=second)
    assert asked == "You've hit same\n"
    own = tmp_path / "kubeconfig"
    own.write_bytes(Path(user.env["KUBECONFIG"]).read_bytes())
    moved = user.typing_with(KUBECONFIG=str(own))
    assert "modified" in moved("config", "set-context", "--current", f"--namespace={second}")
    assert moved("get", "pods", "-o", "jsonpath={.items[*].metadata.namespace}") == second
    user.type("delete", "ns", second)


def test_ways_of_deleting(user: User, tmp_path: Path) -> None:
    for name in "abcdef":
        user.make(pod(name, web(), labels={"letter": name}))
    user.until_ready(*"abcdef")
    said = user.type("delete", "po", "a", "b")
    where = f" from {user.namespace} namespace" if " from " in said else ""  # an older kubectl does not say it
    assert said == f'pod "a" deleted{where}\npod "b" deleted{where}\n'
    assert '"c"' in user.type("delete", "po", "-l", "letter=c", "--now")
    (tmp_path / "d.yaml").write_text(pod("d", web()))
    assert '"d"' in user.type("delete", "-f", str(tmp_path / "d.yaml"), "--grace-period=1")
    assert "force" in user.type("delete", "po", "e", "--force")
    user.type("delete", "po", "--all", "--wait=false")
    user.until(lambda: user.type("get", "po", "-o", "name") == "", what="no Pods")


def test_run_with_its_flags(user: User) -> None:
    made = user.type("run", "dry", f"--image={KUBIA}", "--port=8080", "--env=A=b", "--dry-run=client", "-o", "yaml")
    assert "containerPort: 8080" in made
    assert "value: b" in made
    assert user.type("get", "pods", "-o", "name") == ""
    words = ("run", "once", "--image=sampan.local/busybox:1.36", "--restart=Never", "-i", "--rm", "--command")
    said = user.type(*words, "--", "sh", "-c", "read line; echo heard $line", given="you\n")
    assert "heard you" in said
    user.until(lambda: user.type("get", "pods", "-o", "name") == "", what="--rm takes it away")


def test_watching(user: User) -> None:
    user.make(pod("watched", runs(FOREVER)))
    with user.behind("get", "pods", "-w") as shown:
        shown.until("watched", "Running")
        user.type("delete", "pod", "watched", "--now")
        shown.until("watched", "Terminating")
    assert shown.lines[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    told = [line.split()[2] for line in shown.lines[1:]]
    assert told == sorted(told, key=["Pending", "ContainerCreating", "Running", "Terminating", "Error"].index)
