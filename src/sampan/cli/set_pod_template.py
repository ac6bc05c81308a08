"""`set image`, `set resources` and `set serviceaccount`."""

from __future__ import annotations

from typing import Any

from sampan.cli.change import NOTHING
from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError
from sampan.cli.flags import Flag
from sampan.cli.generate.policy import resource_list
from sampan.cli.setting import RECORDING, Unprefixed, containers_named, pod_spec, set_on_each


def _image(call: Invocation) -> int:
    words = [word for word in call.args if "=" not in word]
    images = dict(word.split("=", 1) for word in call.args if "=" in word)
    if not words and not call.flags["filename"]:
        raise CliError(NOTHING)
    if not images:
        raise CliError("at least one image update is required")

    def change(data: dict[str, Any]) -> None:
        spec = pod_spec(data)
        for name, image in images.items():
            found = containers_named(spec, name, init=True)
            if not found:
                raise Unprefixed(f'unable to find container named "{name}"')
            for one in found:
                one["image"] = image

    return set_on_each(call, words, change, "image updated", refused="failed to patch image update to pod template: {}")


def _resources(call: Invocation) -> int:
    flags = call.flags
    if not flags["limits"] and not flags["requests"]:
        raise CliError("you must specify an update to requests or limits (in the form of --requests/--limits)")
    wanted = {field: resource_list(flags[field]) for field in ("limits", "requests") if flags[field]}

    def change(data: dict[str, Any]) -> None:
        found = containers_named(pod_spec(data), flags["containers"])
        if not found:
            raise Unprefixed(f"unable to find container named {flags['containers']}")
        for one in found:
            resources = one.setdefault("resources", {})
            for field, values in wanted.items():
                held = resources.setdefault(field, {})
                held |= values

    return set_on_each(
        call,
        call.args,
        change,
        "resource requirements updated",
        refused="failed to patch resources update to pod template {}",
    )


def _service_account(call: Invocation) -> int:
    if not call.args:
        raise CliError("serviceaccount is required")
    *words, account = call.args
    if not words and not call.flags["filename"]:
        raise CliError(NOTHING)

    def change(data: dict[str, Any]) -> None:
        spec = pod_spec(data)
        spec["serviceAccountName"] = account
        if "serviceAccount" in spec:
            spec["serviceAccount"] = account

    return set_on_each(call, words, change, "serviceaccount updated", refused="failed to patch ServiceAccountName {}")


IMAGE = Command(
    path="set image",
    run=_image,
    flags=RECORDING,
    summary="Change the images of a Pod template.",
    usage="(-f FILENAME | TYPE NAME) CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N",
)
RESOURCES = Command(
    path="set resources",
    run=_resources,
    flags=(
        *RECORDING,
        Flag("containers", default="*", short="c", usage="which containers; a pattern"),
        Flag("limits", usage="cpu=100m,memory=256Mi"),
        Flag("requests", usage="cpu=100m,memory=256Mi"),
    ),
    summary="Change the requests and limits of a Pod template.",
    usage="(-f FILENAME | TYPE NAME) ([--limits=LIMITS & --requests=REQUESTS]",
)
SERVICE_ACCOUNT = Command(
    path="set serviceaccount",
    run=_service_account,
    flags=tuple(flag for flag in RECORDING if flag.name != "selector"),
    summary="Change the service account of a Pod template.",
    usage="(-f FILENAME | TYPE NAME) SERVICE_ACCOUNT",
)
