"""Several hundred command lines answer as the newest kubectl of this machine answers them."""

from __future__ import annotations

import pytest

from tests.integration.cli.parity import compare, kubectl

pytestmark = pytest.mark.skipif(not kubectl(), reason="there is no kubectl on this machine")

# What may differ, and why: this command line answers as kubectl 1.36 does, the machine's may be older.
OTHERWISE = {
    "describe cm/settings": "older ones show the keys in no order",
    "describe cm settin": "older ones show the keys in no order",
    "describe cronjob/tick": "1.36 shows the time zone",
    "describe sa/default": "1.36 shows no tokens",
    "get -f manifest.yaml -o name": "what is there is shown, although something else is not",
    "get pod one -o jsonpath={.spec.containers[5].name}": "the dump of the object is JSON, not Go",
    "get pod one -o jsonpath={.nope} --allow-missing-template-keys=false": "as above",
    "get pod one -o jsonpath={.spec..name}": "the fields of a map come in no order there",
    "create -f badjson.json": "JSON that cannot be read is complained about as YAML",
    "apply -f changed.yaml --server-side --dry-run=server": "fields are not moved over from client-side apply",
    "diff -f manifest.yaml": "times of files",
}


def test_command_lines_answer_as_the_real_one() -> None:
    same, different = compare()
    wrong = [told for told in different if told.partition("\n")[0].removeprefix("### ") not in OTHERWISE]
    assert same > 200
    assert not wrong, "\n".join(wrong)
