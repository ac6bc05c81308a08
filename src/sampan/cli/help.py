"""`--help`, made from the commands' own tables."""

from __future__ import annotations

from sampan.cli.command import Command, Invocation
from sampan.cli.flags import Flag

GROUPS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Cluster on this machine",
        (
            ("up", "start a cluster, wait until its node is ready"),
            ("down", "stop it"),
            ("status", "components, node, where things are"),
            ("token", "let another machine join"),
            ("node", "take a machine out"),
            ("simulate", "nodes that take Pods and run nothing"),
            ("datastore", "from one store to another"),
            ("server", "the control plane in the foreground"),
            ("agent", "a node in the foreground"),
            ("image", "images of this node"),
            ("ctr", "containers of this node, as the runtime sees them"),
            ("why", "what is wrong with an object, and what to do"),
        ),
    ),
    (
        "Making things",
        (
            ("create", "from files, or by kind"),
            ("run", "an image in a Pod"),
            ("expose", "a workload as a Service"),
            ("set", "images, variables, resources of objects"),
            ("apply", "make it as the files say"),
            ("kustomize", "a folder's manifests, as -k sends them"),
            ("edit", "in your editor"),
            ("patch", "some fields"),
            ("replace", "by what a file says"),
            ("delete", "by file, name, selector"),
            ("label", "labels"),
            ("annotate", "annotations"),
        ),
    ),
    (
        "Looking at things",
        (
            ("get", "list one or many"),
            ("describe", "all about one"),
            ("explain", "the fields of a kind"),
            ("events", "what happened"),
            ("logs", "what a container wrote"),
            ("diff", "files and what is there"),
            ("top", "use of cpu and memory"),
            ("wait", "for a condition"),
        ),
    ),
    (
        "Into Pods",
        (
            ("exec", "run a command in a container"),
            ("attach", "to a running container"),
            ("cp", "files, both ways"),
            ("debug", "with another image's tools"),
            ("port-forward", "local ports to a Pod"),
            ("proxy", "the API on a local port"),
        ),
    ),
    (
        "Workloads and nodes",
        (
            ("rollout", "status, history, undo, restart"),
            ("scale", "how many"),
            ("autoscale", "how many, by load"),
            ("cordon", "no new Pods on a node"),
            ("uncordon", "again"),
            ("drain", "move a node's Pods away"),
            ("taint", "keep Pods off a node"),
        ),
    ),
    (
        "About the server and the settings",
        (
            ("api-resources", "what is served"),
            ("api-versions", "in which versions"),
            ("auth", "who am I, what may I do"),
            ("certificate", "let requests be signed, or not"),
            ("cluster-info", "where things are"),
            ("config", "the kubeconfig"),
            ("kuberc", "your own verbs and defaults of flags"),
            ("plugin", "programs that add verbs"),
            ("completion", "of your shell"),
            ("version", "of both sides"),
        ),
    ),
)


def program_help() -> str:
    lines = ["Sampan: Kubernetes for one small crew.", ""]
    for title, verbs in GROUPS:
        lines += [f"{title}:", *(f"  {name:<15} {what}" for name, what in verbs), ""]
    lines += ["Usage:", "  sampan [flags] VERB [options]", "", 'Use "sampan VERB --help" for a verb\'s flags.', ""]
    return "\n".join(lines)


def command_help(command: Command) -> str:
    lines = [command.summary or command.path, ""]
    if command.examples:
        lines += ["Examples:", *(f"  {line}" for line in command.examples.strip("\n").split("\n")), ""]
    if command.subcommands:
        lines += ["Available Commands:", *(f"  {name}" for name in command.subcommands), ""]
    if command.flags:
        lines += ["Options:", *(_flag(flag) for flag in sorted(command.flags) if flag.usage), ""]
    lines += ["Usage:", f"  sampan {command.path} {command.usage}".rstrip(), ""]
    lines += ['Use "sampan options" for the flags of every verb.', ""]
    return "\n".join(lines)


def _flag(flag: Flag) -> str:
    initial = flag.initial
    if flag.kind == "bool":
        shown = str(initial).lower()
    elif flag.kind in ("list", "array", "map"):
        shown = "[]"
    elif flag.kind == "int":
        shown = str(initial)
    elif flag.kind == "duration":
        shown = f"{initial:g}s"
    else:
        shown = f"'{initial}'"
    short = f"-{flag.short}, " if flag.short else "    "
    return f"    {short}--{flag.name}={shown}:\n\t{flag.usage}"


def shown(call: Invocation) -> int:
    """What a group of verbs does that calls it no mistake to name none of them."""
    call.out.write(command_help(call.command))
    return 0
