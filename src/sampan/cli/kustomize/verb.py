"""`kustomize [DIR]`: what `-k` would send, as YAML."""

from __future__ import annotations

from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.goyaml import dump
from sampan.cli.kustomize.build import build
from sampan.cli.say import complain


def run(call: Invocation) -> int:
    if len(call.args) > 1:
        raise CliError("specify one path to kustomization.yaml")
    for name in ("enable-helm", "enable-alpha-plugins"):
        if call.flags[name]:
            raise CliError(f"--{name} is not supported")
    listed = build(call.args[0] if call.args else ".", complain)
    text = "---\n".join(dump(one) for one in listed)
    if call.flags["output"]:
        with open(call.flags["output"], "w", encoding="utf-8") as file:
            file.write(text)
    else:
        call.out.write(text)
    return 0


IDLE = "accepted, without effect"
COMMAND = Command(
    path="kustomize",
    run=run,
    flags=(
        Flag("output", short="o", usage="the file to write into"),
        Flag("enable-helm", "bool", usage="not supported"),
        Flag("enable-alpha-plugins", "bool", usage="not supported"),
        Flag("helm-command", default="helm", usage=IDLE),
        Flag("helm-api-versions", "array", usage=IDLE),
        Flag("helm-kube-version", usage=IDLE),
        Flag("helm-debug", "bool", usage=IDLE),
        Flag("load-restrictor", default="LoadRestrictionsRootOnly", usage=IDLE),
        Flag("mount", "array", usage=IDLE),
        Flag("network", "bool", usage=IDLE),
        Flag("network-name", default="bridge", usage=IDLE),
        Flag("env", "array", short="e", usage=IDLE),
        Flag("as-current-user", "bool", usage=IDLE),
    ),
    summary="The manifests of a folder with its kustomization applied.",
    usage="[DIR]",
    examples="sampan kustomize ./overlays/prod\nsampan apply -k ./overlays/prod",
)
