from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sampan.storage import sortedkeys
from sampan.storage.sortedkeys import SortedKeys

KEY = st.text("ab/", max_size=4)


@given(st.sets(KEY), st.lists(KEY), KEY, st.none() | KEY)
def test_like_a_sorted_set(start: set[str], toggled: list[str], prefix: str, after: str | None) -> None:
    keys, model = SortedKeys(start), set(start)
    for key in toggled:
        if key in model:
            keys.remove(key)
        else:
            keys.add(key)
        model ^= {key}
    expected = [key for key in sorted(model) if key.startswith(prefix) and (after is None or key > after)]
    assert list(keys.under(prefix, after=after)) == expected


def test_over_many_blocks() -> None:
    count = sortedkeys._BLOCK * 5
    names = [f"/{number * 7919 % count:05}" for number in range(count)]
    keys = SortedKeys()
    for name in names:
        keys.add(name)
    assert list(keys.under("/")) == sorted(names)
    for name in names[::2]:
        keys.remove(name)
    assert list(keys.under("/", after="/00100")) == [name for name in sorted(names[1::2]) if name > "/00100"]
    for name in names[1::2]:
        keys.remove(name)
    assert list(keys.under("")) == []
