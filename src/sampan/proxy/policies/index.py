"""Whom the policies are about: keeps groups and chains in step as policies, Pods and namespaces change. Pure.

Every change costs what it touches: a Pod is held against each group, a policy against the Pods of its namespace. What
came of it waits as fragments for `take`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import get_args

from sampan.proxy.fragment import Fragment
from sampan.proxy.policies.model import Group, Policy, PolicyRule
from sampan.proxy.policies.pods import PodFacts
from sampan.proxy.policies.render import (
    Direction,
    chain_fragment,
    chain_name,
    group_fragment,
    groups_of,
    pod_fragment,
    set_name,
)
from sampan.proxy.table import Key

_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_Chain = tuple[Direction, tuple[str, ...]]  # the policies of one direction that apply to the same Pods


class PolicyIndex:
    def __init__(self, node: str) -> None:
        self._node = node
        self._policies: dict[str, Policy] = {}
        self._namespaces: dict[str, dict[str, str]] = {}
        self._pods: dict[str, PodFacts] = {}
        self._in_namespace: dict[str, set[str]] = {}
        self._given: dict[str, str] = {}  # addresses by Pod UID that the node gave and the API does not know yet
        self._by_uid: dict[str, str] = {}
        self._uses: Counter[Group] = Counter()  # by how many policies
        self._members: dict[Group, dict[str, list[tuple[str, int]]]] = {}
        self._chains: dict[str, tuple[_Chain, ...]] = {}  # by Pod
        self._users: Counter[_Chain] = Counter()
        self._changed: dict[Key, Callable[[], Fragment | None]] = {}

    # -- telling

    def set_policy(self, key: str, policy: Policy | None) -> None:
        old = self._policies.pop(key, None)
        if policy is not None:
            self._policies[key] = policy
        for group in _groups(policy):
            self._uses[group] += 1
            if group not in self._members:
                self._members[group] = {}
                self._fill(group, self._pods)
        for group in _groups(old):
            self._uses[group] -= 1
            if not self._uses[group]:
                del self._uses[group], self._members[group]
                self._touch_group(group)
        for chain in self._users:
            if key in chain[1]:
                self._touch_chain(chain)
        for namespace in {each.namespace for each in (old, policy) if each is not None}:
            for pod in self._in_namespace.get(namespace, ()):
                self._place(pod)

    def set_namespace(self, name: str, labels: dict[str, str] | None) -> None:
        if labels == self._namespaces.get(name):
            return
        if labels is None:
            del self._namespaces[name]
        else:
            self._namespaces[name] = labels
        for group in self._members:
            if not group.namespace:
                self._fill(group, self._in_namespace.get(name, ()))

    def set_pod(self, key: str, pod: PodFacts | None) -> None:
        old = self._pods.get(key)
        if pod is not None and pod.uid in self._given:
            pod = pod._replace(ip=self._given[pod.uid])
        if pod == old:
            return
        if old is not None:
            del self._pods[key]
            self._in_namespace[old.namespace].discard(key)
            if self._by_uid.get(old.uid) == key:
                del self._by_uid[old.uid]
        if pod is not None:
            self._pods[key] = pod
            self._in_namespace.setdefault(pod.namespace, set()).add(key)
            self._by_uid[pod.uid] = key
        for group in self._members:
            self._fill(group, (key,))
        self._place(key, moved=old is not None and pod is not None and old.ip != pod.ip)

    def set_address(self, uid: str, ip: str) -> None:
        """What the node gave a Pod of its own, before the API knows; "": no longer."""
        if ip:
            self._given[uid] = ip
        else:
            self._given.pop(uid, None)
        key = self._by_uid.get(uid)
        if key is not None and ip:
            self.set_pod(key, self._pods[key]._replace(ip=ip))

    # -- asking

    @property
    def empty(self) -> bool:
        return not self._policies

    @property
    def enforces(self) -> bool:
        """Some policy is about a Pod of this node."""
        return bool(self._users)

    @property
    def pending(self) -> bool:
        """Something waits to be taken."""
        return bool(self._changed)

    def knows(self, uid: str) -> bool:
        return uid in self._by_uid

    def take(self) -> dict[Key, Fragment | None]:
        """All that changed since the last time."""
        changed, self._changed = self._changed, {}
        return {key: make() for key, make in changed.items()}

    # -- inside

    def _fill(self, group: Group, keys: Iterable[str]) -> None:
        """Holds these Pods against the group."""
        members = self._members[group]
        for key in keys:
            found = self._addresses(group, self._pods.get(key))
            if found != members.get(key, []):
                if found:
                    members[key] = found
                else:
                    del members[key]
                self._touch_group(group)
        if not members:  # its set is looked into all the same
            self._touch_group(group)

    def _addresses(self, group: Group, pod: PodFacts | None) -> list[tuple[str, int]]:
        if pod is None or not pod.ip or not group.pods.matches(pod.labels):
            return []
        if group.namespace:
            if pod.namespace != group.namespace:
                return []
        elif not (group.namespaces.empty or group.namespaces.matches(self._namespaces.get(pod.namespace))):
            return []
        if group.port is None:
            return [(pod.ip, 0)]
        wanted = group.port.protocol, group.port.name
        return [(pod.ip, number) for protocol, name, number in pod.ports if (protocol, name) == wanted]

    def _place(self, key: str, *, moved: bool = False) -> None:
        """The chains a Pod of this node is to go through."""
        pod = self._pods.get(key)
        wanted = self._chains_of(pod) if pod is not None and pod.ip and pod.node == self._node else ()
        held = self._chains.get(key, ())
        if wanted == held and not moved:
            return
        for chain in wanted:
            self._users[chain] += 1
            if self._users[chain] == 1:
                self._touch_chain(chain)
        for chain in held:
            self._users[chain] -= 1
            if not self._users[chain]:
                del self._users[chain]
                self._touch_chain(chain)
        if wanted:
            self._chains[key] = wanted
        else:
            self._chains.pop(key, None)
        self._changed["pod", key] = lambda: self._pod(key)

    def _chains_of(self, pod: PodFacts) -> tuple[_Chain, ...]:
        about = [(key, each) for key, each in self._policies.items() if each.selects(pod.namespace, pod.labels)]
        found = ((way, sorted(key for key, each in about if _rules(each, way) is not None)) for way in _DIRECTIONS)
        return tuple((way, tuple(keys)) for way, keys in found if keys)

    def _touch_group(self, group: Group) -> None:
        self._changed["group", set_name(group)] = lambda: self._group(group)

    def _touch_chain(self, chain: _Chain) -> None:
        self._changed["chain", chain_name(*chain)] = lambda: self._chain(chain)

    # -- as fragments, at the moment of taking

    def _group(self, group: Group) -> Fragment | None:
        if group not in self._members:
            return None
        return group_fragment(group, [each for found in self._members[group].values() for each in found])

    def _chain(self, chain: _Chain) -> Fragment | None:
        if chain not in self._users:
            return None
        direction, keys = chain
        policies = [self._policies[key] for key in keys]
        rules = [rule for policy in policies for rule in _rules(policy, direction) or ()]
        return chain_fragment(chain_name(*chain), direction, rules)

    def _pod(self, key: str) -> Fragment | None:
        if key not in self._chains:
            return None
        return pod_fragment(self._pods[key].ip, [(chain[0], chain_name(*chain)) for chain in self._chains[key]])


def _rules(policy: Policy, direction: Direction) -> tuple[PolicyRule, ...] | None:
    return policy.ingress if direction == "ingress" else policy.egress


def _groups(policy: Policy | None) -> set[Group]:
    if policy is None:
        return set()
    return {group for way in _DIRECTIONS for group in groups_of(_rules(policy, way) or (), way)}
