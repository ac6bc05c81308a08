"""More than a thousand command lines answer as the newest kubectl of this machine answers them."""

from __future__ import annotations

import pytest

from tests.integration.cli.parity import compare, kubectl

pytestmark = pytest.mark.skipif(not kubectl(), reason="there is no kubectl on this machine")

NEWER = "this command line answers as kubectl 1.36, which is newer than the machine's"
OTHERWISE = {
    "version --client": NEWER,
    "version --client -o yaml": NEWER,
    "logs one -c nope": NEWER,
    **dict.fromkeys(("attach one", "exec one -- ls", "exec one -c nope -- ls"), NEWER),
    "cp new.yaml one:/x -c nope": NEWER,
    "apply -f changed.yaml --server-side --dry-run=server": "a dry run moves no fields over",
    "apply -f changed.yaml --overwrite=false --dry-run=server": "of the same conflict less is told",
    "diff -f manifest.yaml": "the order of two keys of a probe",
    "describe cm settin": "a blank line in the middle of a ConfigMap whose keys come in no order",
    "describe pod/one pod/nope": "what is there is described, although something else is not",
    "describe svc/web svc/kubernetes -n demo": "as above",
    "describe endpointslice -l kubernetes.io/service-name=web": "blanks after a title",
    "get cm,secrets --sort-by=.metadata.name": "several types are sorted each for itself",
    "get pod one -o 'jsonpath={..image}'": "the fields of a map come in no order there",
    "get pod one -o 'jsonpath={.spec..name}'": "as above",
    "get pods --watch a b c": "more than one name is refused before the first is looked for",
    "get pods --tls-server-name=wrong.example": "the certificate's names are not told",
    "port-forward one x": "a Pod that does not run is told before its ports",
    "set image -f manifest.yaml c=x --local -o name": "what has no containers is told after what has",
    "expose -f manifest.yaml --port=80 --dry-run=client": "stops at the first that cannot be exposed",
}


@pytest.mark.timeout(1200)  # a thousand programs, twice
def test_command_lines_answer_as_the_real_one() -> None:
    same, different = compare()
    wrong = [f"### {line}\n{told}" for line, told in different if line not in OTHERWISE]
    assert same > 1000
    assert not wrong, "\n".join(wrong)
