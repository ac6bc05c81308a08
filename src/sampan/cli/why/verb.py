"""The verb: finds the object, asks the cluster what the rules want to know (and no more), prints the tree.

Exit code 0 when nothing is wrong, 1 when something is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sampan.api.errors import ApiError
from sampan.cli.command import Command, Invocation
from sampan.cli.errors import CliError, UsageError
from sampan.cli.flags import Flag
from sampan.cli.resources import targets
from sampan.cli.why.facts import Facts, Object
from sampan.client.resources import NoSuchResource
from sampan.client.transport import TransportError


def run(call: Invocation) -> int:
    if not call.args:
        raise UsageError("KIND/NAME is required for why")
    from sampan.cli.why.kinds import RULES, explain
    from sampan.cli.why.render import text

    words = call.args if len(call.args) > 1 or "/" in call.args[0] else [f"pods/{call.args[0]}"]
    output = call.flags["output"]
    if output not in ("", "json", "yaml"):
        raise CliError(
            f'unable to match a printer suitable for the output format "{output}", allowed formats are: json,yaml'
        )
    trouble = False
    for target in targets(call.session, words):
        kind = target.info.kind
        if kind not in RULES:
            raise CliError(f"why knows {', '.join(sorted(rule.lower() for rule in RULES))}, and not {kind.lower()}")
        obj = call.session.client.of(target.info).get(target.name, namespace=call.session.where(target.info))
        found = explain(live(call), kind, obj)
        trouble = trouble or found.code != "NothingWrong"
        if output == "json":
            from sampan.cli.printers.json import pretty

            call.print(pretty(_data(found), sort_keys=False))
        elif output == "yaml":
            from sampan.cli.goyaml import dump

            call.out.write(dump(_data(found)))
        else:
            call.out.write(text(found))
    return 1 if trouble else 0


def _data(found: object) -> dict[str, object]:
    from sampan.cli.why.finding import Finding

    assert isinstance(found, Finding)
    made: dict[str, object] = found.data()
    remedy = found.remedy()
    if remedy is not None:
        made["remedy"] = {key: value for key, value in (("advice", remedy.advice), ("fix", remedy.fix)) if value}
    return made


def live(call: Invocation) -> Facts:
    session = call.session

    def listed(resource: str) -> Sequence[Object]:
        try:
            info = session.resolve(resource)
            pages = session.client.of(info).list_pages(namespace=session.where(info))
            return [item for page in pages for item in page.items]
        except (ApiError, NoSuchResource, TransportError):
            return ()  # what may not be read is no fact

    def log(pod: str, container: str, previous: bool) -> str:
        from sampan.cli.log_stream import tail_of

        info = session.resolve("pods")
        metadata = {"metadata": {"name": pod, "namespace": session.namespace}}
        return tail_of(session.client, info, metadata, container, 20, previous)

    def verdicts(pod: str) -> Mapping[str, Sequence[str]]:
        from msgspec.json import decode

        try:
            answer = session.client.raw("GET", f"/debug/scheduler/pods/{session.namespace}/{pod}")
        except (ApiError, TransportError):
            return {}  # not Sampan's scheduler, or not for everybody's eyes
        return {name: said["reasons"] for name, said in decode(answer.body)["nodes"].items()}

    return Facts(session.namespace, listed, log, verdicts_of=verdicts)


COMMAND = Command(
    path="why",
    run=run,
    flags=(Flag("output", short="o", usage="json or yaml"),),
    summary="What is wrong with an object, why, and what to do.",
    usage="KIND/NAME   (pod, deployment, job, service, pvc, node, namespace)",
    examples="sampan why pod/kubia\nsampan why deploy/web -o json",
)
