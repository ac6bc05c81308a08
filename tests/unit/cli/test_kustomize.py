"""Kustomizations as they are written to files, and what comes of them. (Beside the real one: `integration/cli`.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sampan.cli.errors import CliError
from sampan.cli.kustomize.build import build
from sampan.cli.kustomize.transform import with_image

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: c, image: "nginx:1", envFrom: [{configMapRef: {name: conf}}]}]}}}
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: same, annotations: {a: y}}\n"


def made(folder: Path, kustomization: str, **files: str) -> list[dict[str, Any]]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kustomization.yaml").write_text(kustomization)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return build(str(folder), lambda _: None)


def test_a_generated_name_changes_with_its_content_and_is_followed(tmp_path: Path) -> None:
    text = "resources: [app.yaml]\nnamePrefix: p-\nconfigMapGenerator: [{name: conf, literals: [a=%s]}]\n"
    seen = set()
    for value in ("1", "2", "1"):
        config, app = made(tmp_path, text % value, app=DEPLOYMENT)
        name = config["metadata"]["name"]
        assert name.startswith("p-conf-")
        container = app["spec"]["template"]["spec"]["containers"][0]
        assert container["envFrom"] == [{"configMapRef": {"name": name}}]
        seen.add(name)
    assert len(seen) == 2


def test_an_overlay_on_a_base(tmp_path: Path) -> None:
    made(
        tmp_path / "base", "resources: [app.yaml]\nconfigMapGenerator: [{name: conf, literals: [a=1]}]", app=DEPLOYMENT
    )
    config, app = made(
        tmp_path / "over",
        "resources: [../base]\nnamespace: prod\nreplicas: [{name: web, count: 3}]\n"
        "images: [{name: nginx, newTag: '2'}]\nlabels: [{pairs: {team: a}, includeSelectors: true}]\n"
        "configMapGenerator: [{name: conf, behavior: merge, literals: [b=2]}]\n",
    )
    assert config["data"] == {"a": "1", "b": "2"}
    assert app["metadata"]["namespace"] == "prod"
    assert app["spec"]["replicas"] == 3
    assert app["spec"]["selector"]["matchLabels"] == {"team": "a"}
    assert app["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2"


@pytest.mark.parametrize(
    ("image", "change", "after"),
    [
        ("nginx", {"name": "nginx", "newTag": "2"}, "nginx:2"),
        ("r.io:5000/nginx", {"name": "nginx", "newTag": "2"}, "r.io:5000/nginx"),
        ("r.io:5000/x:1", {"name": "r.io:5000/x", "newName": "y"}, "y:1"),
        ("x:1", {"name": "x", "digest": "sha256:0"}, "x@sha256:0"),
        ("x@sha256:0", {"name": "x", "newName": "y"}, "y@sha256:0"),
    ],
)
def test_images(image: str, change: dict[str, str], after: str) -> None:
    assert with_image(image, change) == after


def test_patches_by_name_and_by_target(tmp_path: Path) -> None:
    (app,) = made(
        tmp_path,
        "resources: [app.yaml]\npatches:\n"
        "- patch: '{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {paused: true}}'\n"
        "- {target: {kind: Deploy.*}, patch: '[{op: add, path: /spec/replicas, value: 9}]'}\n"
        "- {target: {name: we.}, patch: '[{op: add, path: /spec/minReadySeconds, value: 4}]'}\n",
        app=DEPLOYMENT,
    )
    assert app["spec"]["paused"] is True
    assert app["spec"]["minReadySeconds"] == 4
    assert app["spec"]["replicas"] == 9


def test_a_patch_may_delete(tmp_path: Path) -> None:
    text = (
        "resources: [app.yaml, cm.yaml]\n"
        "patches: [{patch: '{apiVersion: v1, kind: ConfigMap, metadata: {name: same}, $patch: delete}'}]"
    )
    assert [one["kind"] for one in made(tmp_path, text, app=DEPLOYMENT, cm=CONFIG_MAP)] == ["Deployment"]


def test_words_are_those_of_newer_yaml(tmp_path: Path) -> None:
    (config,) = made(tmp_path, "resources: [cm.yaml]", cm=CONFIG_MAP)
    assert config["metadata"]["annotations"] == {"a": "y"}


@pytest.mark.parametrize(
    ("kustomization", "said"),
    [
        ("resources: [../loop]", "cycle detected"),
        ("helmCharts: []", "helmCharts is not supported"),
        ("resources: [a.yaml, b.yaml]", "already registered id"),
        ("resources: [gone.yaml]", "no such file or directory"),
        ("resources: ['https://example.com/x.yaml']", "only local folders"),
        ("patches: [{patch: '[{op: remove, path: /x}]'}]", "needs a target"),
        ("configMapGenerator: [{name: x, behavior: merge}]", "cannot merge or replace"),
        ("- a\n- b\n", "is no map"),
        ("a: [1", "invalid Kustomization"),
    ],
)
def test_what_cannot_be(tmp_path: Path, kustomization: str, said: str) -> None:
    with pytest.raises(CliError, match=said):
        made(tmp_path / "loop", kustomization, a=CONFIG_MAP, b=CONFIG_MAP)


def test_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"unable to find one of 'kustomization\.yaml'"):
        build(str(tmp_path), lambda _: None)
    with pytest.raises(CliError, match="not a valid directory"):
        build(str(tmp_path / "nowhere"), lambda _: None)
