"""The `sampan` command: hands a verb to the room that has it, importing nothing else.

kubectl's verbs live in `sampan.cli`; what starts, joins and inspects a cluster lives in `sampan.cluster`. Only this
file and `sampan.cluster` know both.
"""

import sys

CLUSTER_VERBS = frozenset(
    {"up", "down", "status", "server", "agent", "token", "node", "image", "ctr", "datastore", "simulate"}
)


def main() -> None:
    argv = sys.argv[1:]
    if argv and argv[0] in CLUSTER_VERBS:
        from sampan.cluster.commands import run

        sys.exit(run(argv))
    from sampan.cli.main import run as run_kubectl

    sys.exit(run_kubectl(argv))


if __name__ == "__main__":
    main()
