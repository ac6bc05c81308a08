"""What expressions give, what they are refused for, and how they fail."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.apiserver.cel import schemas, types
from sampan.apiserver.cel.compiled import compile_expression
from sampan.apiserver.cel.frame import CostExceeded
from sampan.apiserver.cel.syntax import CelSyntaxError
from sampan.apiserver.cel.values import CelError

TEXT: dict[str, Any] = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer"},
        "share": {"type": "number"},
        "names": {"type": "array", "items": TEXT},
        "unordered": {"type": "array", "x-kubernetes-list-type": "set", "items": TEXT},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "properties": {"name": TEXT, "port": {"type": "integer"}}},
        },
        "labels": {"type": "object", "additionalProperties": TEXT},
        "missing": TEXT,
        "either": {"x-kubernetes-int-or-string": True},
        "since": {"type": "string", "format": "date-time"},
        "wait": {"type": "string", "format": "duration"},
        "foo-bar": TEXT,
        "namespace": TEXT,
    },
}
VALUE: dict[str, Any] = {
    "replicas": 3,
    "share": 1,
    "names": ["a", "b"],
    "unordered": ["x", "y"],
    "ports": [{"name": "http", "port": 80}, {"name": "https", "port": 443}],
    "labels": {"app": "web"},
    "either": "50%",
    "since": "2026-01-02T03:04:05.5Z",
    "wait": "90s",
    "foo-bar": "dash",
    "namespace": "reserved",
}
SELF = schemas.type_of(SCHEMA)
assert SELF is not None


def run(text: str) -> Any:
    return compile_expression(text, {"self": SELF}).program.run({"self": schemas.value_of(VALUE, SCHEMA)})


@pytest.mark.parametrize(
    "text",
    [
        # the language
        "self.replicas == 3 && self.share == 1.0",
        "self.replicas > 2.5",
        "-self.replicas == -3 && 7 / 2 == 3 && -7 / 2 == -3 && -7 % 3 == -1",
        "0x10 == 16 && 5u + 1u == 6u && 1e3 == 1000.0",
        "'a' + \"b\" == 'ab' && '''it's''' == \"it's\" && r'\\d' == '\\\\d' && b'\\xff'.size() == 1",
        "true ? self.replicas == 3 : false",
        "1 / 0 == 1 || true",
        "!(false && 1 / 0 == 1)",
        "'b' in self.names && !('c' in self.names) && 'app' in self.labels",
        "self.names[1] == 'b' && self.labels['app'] == 'web' && self.labels.app == 'web'",
        "!has(self.missing) && has(self.replicas) && has(self.labels.app) && !has(self.labels.other)",
        "self.foo__dash__bar == 'dash' && self.__namespace__ == 'reserved'",
        "self.names == ['a', 'b'] && self.names != ['b', 'a']",
        "self.unordered == ['y', 'x']",
        "self.ports + self.ports == self.ports && self.unordered + ['x'] == self.unordered",
        "size(self.names) == 2 && self.names.size() == 2 && 'é'.size() == 1",
        "type(self.replicas) == int && type('') == string && type(self.names) == list",
        "self.either == '50%' && (type(self.either) == int ? self.either < 5 : self.either.endsWith('%'))",
        # macros
        "self.names.all(n, n.matches('^[a-z]$')) && !self.names.all(n, n == 'a')",
        "self.names.exists(n, n == 'b') && self.names.exists_one(n, n == 'b')",
        "self.names.exists(n, n == 'a' || 1 / 0 == 1)",
        "self.names.map(n, n + '!') == ['a!', 'b!'] && self.names.map(n, n == 'b', n) == ['b']",
        "self.names.filter(n, n > 'a') == ['b']",
        "self.labels.all(k, k == 'app')",
        "self.ports.all(p, self.ports.exists_one(q, q.name == p.name))",
        "[1, 2].all(i, v, v == i + 1) && [1, 2].transformList(i, v, v * 10) == [10, 20]",
        "{'a': 1}.transformMap(k, v, v + 1) == {'a': 2}",
        "{'a': 1}.transformMapEntry(k, v, {v: k}) == {1: 'a'}",
        "cel.bind(n, self.names[0], n + n == 'aa')",
        # optional values
        "self.?missing.orValue('none') == 'none' && self.?replicas.hasValue()",
        "self.labels[?'no'].or(optional.of('x')).value() == 'x'",
        "[?self.?missing, 'z'] == ['z'] && {?'k': optional.none()} == {}",
        "optional.of(2).optMap(v, v * 2).value() == 4 && optional.ofNonZeroValue('') == optional.none()",
        # conversions and times
        "int('7') == 7 && string(7) == '7' && double('1.5') == 1.5 && string(1.0) == '1' && bool('true')",
        "string(duration('1h1s')) == '3601s' && duration('1h') > self.wait",
        "self.since < timestamp('2027-01-01T00:00:00Z') && self.since.getFullYear() == 2026",
        "self.since.getHours('+09:00') == 12 && self.since.getDayOfWeek() == 5",
        "timestamp('2026-01-02T03:04:06Z') - self.since == duration('500ms')",
        # the library
        "'a,b,c'.split(',') == ['a', 'b', 'c'] && 'a,b,c'.split(',', 2) == ['a', 'b,c']",
        "['a', 'b'].join('-') == 'a-b'",
        "'tacocat'.indexOf('a') == 1 && 'tacocat'.lastIndexOf('a') == 5 && 'tacocat'.substring(4) == 'cat'",
        "' x '.trim() == 'x' && 'Ab'.lowerAscii() == 'ab' && 'ab'.replace('b', 'c') == 'ac' && 'abc'.charAt(1) == 'b'",
        "'%s has %d (%.2f, %x)'.format([self.names, self.replicas, 0.5, 255]) == '[a, b] has 3 (0.50, ff)'",
        "'abc 123'.find('[0-9]+') == '123' && '1 2 3'.findAll('[0-9]', 2) == ['1', '2']",
        "[1, 3, 2].max() == 3 && [1, 2].isSorted() && [1, 2, 3].sum() == 6 && [1, 2, 1].lastIndexOf(1) == 2",
        "sets.contains([1, 2], [1]) && sets.intersects([1], [1, 2]) && sets.equivalent([1, 2], [2, 1, 1])",
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('500m').add(quantity('0.5')).asInteger() == 1",
        "isQuantity('1Mi') && !isQuantity('x') && quantity('1k') == quantity('1000')",
        "isIP('::1') && ip('10.0.0.1').family() == 4 && !isIP('1.2.3') && ip('127.0.0.1').isLoopback()",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && isCIDR('::/0')",
        "cidr('10.1.2.3/8').masked() == cidr('10.0.0.0/8') && string(cidr('10.0.0.0/8')) == '10.0.0.0/8'",
        "url('https://me@host:80/p?q=1').getHost() == 'host:80' && url('https://h/p?q=1').getQuery() == {'q': ['1']}",
        "isURL('/path') && !isURL('x') && url('https://[::1]:80/').getHostname() == '::1'",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && isSemver('1.0.0-rc.1') && semver('v1.2', true).minor() == 2",
        "!format.dns1123Label().validate('ok').hasValue() && format.named('uuid').value().validate('x').hasValue()",
    ],
)
def test_true(text: str) -> None:
    assert run(text) is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("self = 42", "1:6: Syntax error: token recognition error at: '= '"),
        ("self.names)", "1:11: Syntax error: extraneous input ')' expecting <EOF>"),
        ("self.namespace == 'x'", "undefined field 'namespace'"),
        ("self.in == 'x'", "1:6: Syntax error: no viable alternative at input '.in'"),
        ("namespace == 'x'", "1:1: Syntax error"),
        ("self.", "1:6: Syntax error: no viable alternative at input '.<EOF>'"),
        ("self.nose", "1:5: undefined field 'nose'"),
        ("self.ports.all(p, p.nose)", "1:20: undefined field 'nose'"),
        ("other", "1:1: undeclared reference to 'other' (in container '')"),
        ("self.replicas == 'a'", "1:15: found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.replicas + 'a'", "1:15: found no matching overload for '_+_' applied to '(int, string)'"),
        ("self.replicas.size()", "1:19: found no matching overload for 'size' applied to 'int.()'"),
        ("self.names.fly()", "1:15: undeclared reference to 'fly' (in container '')"),
        ("self.replicas && true", "1:15: found no matching overload for '_&&_' applied to '(int, bool)'"),
        ("self.replicas.foo", "1:14: type 'int' does not support field selection"),
        ("self.replicas.all(x, true)", "expression of type 'int' cannot be range of a comprehension"),
        ("has(self)", "1:4: invalid argument to has() macro"),
        ("(" * 300 + "1" + ")" * 300, "expression recursion limit exceeded"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(CelSyntaxError) as refused:
        compile_expression(text, {"self": SELF})
    assert said in str(refused.value)


def test_the_place_is_shown_below_the_line() -> None:
    with pytest.raises(CelSyntaxError) as refused:
        compile_expression("true &&\n  self.nose", {"self": SELF})
    assert str(refused.value) == "ERROR: <input>:2:7: undefined field 'nose'\n |   self.nose\n | ......^"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("self.missing == ''", "no such key: missing"),
        ("self.names[5] == ''", "index out of bounds: 5"),
        ("self.labels['no'] == ''", "no such key: no"),
        ("1 / (self.replicas - 3) == 1", "division by zero"),
        ("9223372036854775807 + self.replicas > 0", "integer overflow"),
        ("self.either > 5", "no such overload"),
        ("optional.none().value()", "optional.none() dereference"),
        ("ip('x') == ip('y')", 'IP Address "x" parse error'),
        ("'x'.matches('(')", "error parsing regexp"),
    ],
)
def test_failures(text: str, said: str) -> None:
    with pytest.raises(CelError) as failed:
        run(text)
    assert said in str(failed.value)


def test_an_expression_without_end_is_ended() -> None:
    many = compile_expression(
        "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))", {"self": types.list_of(types.INT)}
    )
    with pytest.raises(CostExceeded):
        many.program.run({"self": list(range(500))})


@given(st.text(max_size=40))
def test_no_text_makes_the_compiler_stumble(text: str) -> None:
    try:
        compile_expression(text, {"self": types.DYN}).program.run({"self": {}})
    except (CelSyntaxError, CelError):
        pass


_WORDS = "self . ( ) [ ] , + - == && || ! ? : 'a' 1 1.5 2u in has all map x size matches true null {"
_PIECES = st.sampled_from(_WORDS.split(" "))


@given(st.lists(_PIECES, max_size=14))
def test_no_pieces_of_the_language_do_either(pieces: list[str]) -> None:
    try:
        compile_expression(" ".join(pieces), {"self": types.DYN}).program.run({"self": {"x": [1]}})
    except (CelSyntaxError, CelError):
        pass


def test_words_that_no_variable_may_have_are_fields_of_objects_without_a_type() -> None:
    compiled = compile_expression("object.metadata.namespace == 'n' && has(object.for)", {"object": types.DYN})
    assert compiled.program.run({"object": {"metadata": {"namespace": "n"}, "for": 1}}) is True
