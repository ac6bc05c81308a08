"""A table as it is in the kernel, and the step from there to what it should be.

Only what differs is sent, in one transaction: a change costs what it changes. Two Services may claim one address (the
API forbids it for ClusterIPs and node ports, not for externalIPs): the first keeps it until it lets go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sampan.network.nft import Chain, Transaction
from sampan.proxy.fragment import Data, Fragment

Key = tuple[str, ...]  # whose fragment it is
_Element = tuple[str, bytes]
_Step = tuple[Fragment, Fragment]  # before and after


class _Absent:
    """No element at all, as distinct from an element without data."""


_ABSENT = _Absent()


class FragmentTable:
    """Bookkeeping only: it makes transactions, the caller commits them."""

    def __init__(self, name: str, build: Callable[[Transaction], None]) -> None:
        """`build` makes the table without any fragment, in place of whatever is there."""
        self.name = name
        self._build = build
        self._fragments: dict[Key, Fragment] = {}
        self._claims: dict[_Element, dict[Key, Data]] = {}

    def whole(self, remembered: Mapping[str, Iterable[bytes]] | None = None) -> Transaction:
        """Everything anew, in place of whatever is there; `remembered` are elements of sets to keep (affinity)."""
        transaction = Transaction(self.name)
        self._build(transaction)
        _add_chains(transaction, [(Fragment(), fragment) for fragment in self._fragments.values()])
        by_map: dict[str, list[tuple[bytes, Data]]] = {}
        for (name, key), claims in self._claims.items():
            by_map.setdefault(name, []).append((key, next(iter(claims.values()))))
        for name, keys in (remembered or {}).items():
            by_map.setdefault(name, []).extend((key, None) for key in keys)
        for name, elements in by_map.items():
            transaction.add_elements(name, elements)
        return transaction

    def learning_sets(self) -> list[str]:
        """Those the kernel itself adds elements to (session affinity): what they hold is known to it alone."""
        sets = (each for fragment in self._fragments.values() for each in fragment.sets.items())
        return [name for name, kind in sets if kind.timeout_ms]

    def change(self, wanted: Mapping[Key, Fragment | None]) -> Transaction:
        """The step to the wanted fragments (None: gone). The bookkeeping is moved: commit it, or write the whole."""
        transaction = Transaction(self.name)
        none = Fragment()
        steps = [(key, self._fragments.get(key, none), new or none) for key, new in wanted.items()]
        pairs = [(old, new) for _, old, new in steps]
        _add_chains(transaction, pairs)
        before: dict[_Element, Data | _Absent] = {}
        for key, old, new in steps:
            self._claim(key, old, new, before)
        self._change_elements(transaction, before)
        _drop_chains(transaction, pairs)
        for key, _, new in steps:
            if new is none:
                self._fragments.pop(key, None)
            else:
                self._fragments[key] = new
        return transaction

    def _claim(self, key: Key, old: Fragment, new: Fragment, before: dict[_Element, Data | _Absent]) -> None:
        for element in old.elements.keys() | new.elements.keys():
            before.setdefault(element, self._in_force(element))
            if element in new.elements:
                self._claims.setdefault(element, {})[key] = new.elements[element]
            else:
                claims = self._claims[element]
                del claims[key]
                if not claims:
                    del self._claims[element]

    def _in_force(self, element: _Element) -> Data | _Absent:
        claims = self._claims.get(element)
        return next(iter(claims.values())) if claims else _ABSENT

    def _change_elements(self, transaction: Transaction, before: dict[_Element, Data | _Absent]) -> None:
        going: dict[str, list[tuple[bytes, Data]]] = {}
        coming: dict[str, list[tuple[bytes, Data]]] = {}
        for (name, key), old in before.items():
            new = self._in_force((name, key))
            if old == new:
                continue
            if not isinstance(old, _Absent):
                going.setdefault(name, []).append((key, old))
            if not isinstance(new, _Absent):
                coming.setdefault(name, []).append((key, new))
        for name, elements in going.items():
            transaction.drop_elements(name, elements)
        for name, elements in coming.items():
            transaction.add_elements(name, elements)


def _add_chains(transaction: Transaction, steps: Sequence[_Step]) -> None:
    """Sets, then chains, then rules: a rule may name the sets and chains of another fragment."""
    for old, new in steps:
        for name, kind in new.sets.items():
            if name not in old.sets:
                transaction.make_set(name, kind)
    changed = [
        (old, new, name) for old, new in steps for name, rules in new.chains.items() if old.chains.get(name) != rules
    ]
    for old, _, name in changed:
        if name not in old.chains:
            transaction.make_chain(Chain(name))
        else:
            transaction.flush_chain(name)
    for _, new, name in changed:
        for rule in new.chains[name]:
            transaction.add_rule(name, rule)


def _drop_chains(transaction: Transaction, steps: Sequence[_Step]) -> None:
    """After the elements and rules that led there are gone. Emptied first: they may lead to each other."""
    gone = [name for old, new in steps for name in old.chains if name not in new.chains]
    for name in gone:
        transaction.flush_chain(name)
    for name in gone:
        transaction.drop_chain(name)
    for old, new in steps:
        for name in old.sets:
            if name not in new.sets:
                transaction.drop_set(name)
