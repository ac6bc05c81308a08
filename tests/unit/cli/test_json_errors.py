"""Wrong JSON is complained about as Go complains."""

import json

import pytest

from sampan.cli.json_errors import words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,,}', "json: offset 9: invalid character ',' looking for beginning of object key string"),
        ('{"a" 1}', "json: offset 6: invalid character '1' after object key"),
        ('{"a": x}', "json: offset 7: invalid character 'x' looking for beginning of value"),
        ('{"a": 1 "b"}', "json: offset 9: invalid character '\"' after object key:value pair"),
        ("[1 2]", "json: offset 4: invalid character '2' after array element"),
        ('{"a": 1', "unexpected EOF"),
    ],
)
def test_words(text: str, said: str) -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    assert words(text, caught.value) == said
