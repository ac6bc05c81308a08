"""What a Pod asks for: requests and limits over all its containers, its QoS class, its ports.

Shared by scheduler, kubelet, quota and describe, so that they all count alike. Takes typed Pods and plain JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, TypeVar

from sampan.api import quantity
from sampan.api.quantity import Quantity

GUARANTEED = "Guaranteed"
BURSTABLE = "Burstable"
BEST_EFFORT = "BestEffort"

CPU = "cpu"
MEMORY = "memory"
HUGEPAGES_PREFIX = "hugepages-"

Amounts = dict[str, Quantity]
Numbers = dict[str, int]


def _get(thing: Any, name: str) -> Any:
    return thing.get(name) if isinstance(thing, dict) else getattr(thing, name)


def is_sidecar(container: Any) -> bool:
    """An init container that keeps running beside the app."""
    return bool(_get(container, "restartPolicy") == "Always")


def requests(pod: Any) -> Amounts:
    """What the scheduler reserves: the larger of start-up and running, with sidecars and overhead."""
    return _requested(pod, _as_quantity)


def limits(pod: Any) -> Amounts:
    """What the containers are held to; a resource that no container limits has none."""
    return _limited(pod, _as_quantity)


def request_numbers(pod: Any) -> Numbers:
    """The requests as whole numbers: thousandths of a CPU, and units of everything else."""
    return _requested(pod, number)


def limit_numbers(pod: Any) -> Numbers:
    return _limited(pod, number)


# The same sums serve quantities and plain numbers; `read` makes one or the other of what the wire carries.
A = TypeVar("A", int, Quantity)
Read = Callable[[str, str | int | float], A]


def _as_quantity(name: str, amount: str | int | float) -> Quantity:
    return quantity.parse(amount)


def _requested(pod: Any, read: Read[A]) -> dict[str, A]:
    spec = _get(pod, "spec")
    total = _over_containers(spec, "requests", read)
    _override(total, spec, "requests", read)
    overhead = _get(spec, "overhead")
    if overhead:
        _add(total, {name: read(name, amount) for name, amount in overhead.items()})
    return total


def _limited(pod: Any, read: Read[A]) -> dict[str, A]:
    spec = _get(pod, "spec")
    total = _over_containers(spec, "limits", read)
    _override(total, spec, "limits", read)
    overhead = _get(spec, "overhead")
    if overhead:
        _add(total, {name: read(name, amount) for name, amount in overhead.items() if name in total})
    return total


def _over_containers(spec: Any, side: str, read: Read[A]) -> dict[str, A]:
    running: dict[str, A] = {}
    for container in _get(spec, "containers") or ():
        _add(running, _of_container(container, side, read))
    init_containers = _get(spec, "initContainers")
    if not init_containers:
        return running
    starting: dict[str, A] = {}
    sidecars: dict[str, A] = {}
    for container in init_containers:
        needs = _of_container(container, side, read)
        if is_sidecar(container):
            _add(running, needs)
            _add(sidecars, needs)
            needs = sidecars
        else:
            # An init container runs beside the sidecars that started before it.
            _add(needs, sidecars)
        _raise_to(starting, needs)
    _raise_to(running, starting)
    return running


def _override(total: dict[str, A], spec: Any, side: str, read: Read[A]) -> None:
    """Resources that are set for the whole Pod count instead of the containers' own."""
    whole = _get(spec, "resources")
    if whole is None:
        return
    for name, amount in (_get(whole, side) or {}).items():
        if name in (CPU, MEMORY) or name.startswith(HUGEPAGES_PREFIX):
            total[name] = read(name, amount)


def _of_container(container: Any, side: str, read: Read[A]) -> dict[str, A]:
    resources = _get(container, "resources")
    listed = _get(resources, side) if resources is not None else None
    return {name: read(name, amount) for name, amount in listed.items()} if listed else {}


def _add(total: dict[str, A], more: Mapping[str, A]) -> None:
    for name, amount in more.items():
        total[name] = total[name] + amount if name in total else amount


def _raise_to(total: dict[str, A], least: Mapping[str, A]) -> None:
    for name, amount in least.items():
        if name not in total or total[name] < amount:
            total[name] = amount


def number(name: str, amount: str | int | float) -> int:
    """A quantity as the whole number that a resource is counted in."""
    return quantity.milli_value(amount) if name == CPU else quantity.value(amount)


def qos_class(pod: Any) -> str:
    """Guaranteed: every container limits cpu and memory, and requests just that. BestEffort: nobody asks at all."""
    spec = _get(pod, "spec")
    asked: Amounts = {}
    limited: Amounts = {}
    every_one_limited = True
    whole = _get(spec, "resources")
    if whole is not None:
        sources: Iterable[Any] = (whole,)
    else:
        containers = [*(_get(spec, "containers") or ()), *(_get(spec, "initContainers") or ())]
        sources = (_get(c, "resources") for c in containers)
    for resources in sources:
        _add_positive(asked, _get(resources, "requests") if resources is not None else None)
        found = _add_positive(limited, _get(resources, "limits") if resources is not None else None)
        every_one_limited = every_one_limited and found == {CPU, MEMORY}
    if not asked and not limited:
        return BEST_EFFORT
    same = len(asked) == len(limited) and all(limited.get(name) == amount for name, amount in asked.items())
    return GUARANTEED if every_one_limited and same else BURSTABLE


def _add_positive(total: Amounts, listed: Mapping[str, Any] | None) -> set[str]:
    found = set()
    for name in (CPU, MEMORY):
        amount = quantity.parse(listed[name]) if listed and name in listed else quantity.ZERO
        if amount.nanos > 0:
            total[name] = total[name] + amount if name in total else amount
            found.add(name)
    return found


def containers(pod: Any, *, init: bool = True, ephemeral: bool = False) -> Iterator[Any]:
    """All containers of a Pod: init containers first, then the app's, then ephemeral ones."""
    spec = _get(pod, "spec")
    if init:
        yield from _get(spec, "initContainers") or ()
    yield from _get(spec, "containers") or ()
    if ephemeral:
        yield from _get(spec, "ephemeralContainers") or ()


def port_number(pod: Any, port: int | str, protocol: str = "TCP") -> int | None:
    """The container port that a Service's `targetPort` or a probe's `port` means; None when no container has it."""
    if isinstance(port, int):
        return port
    spec = _get(pod, "spec")
    sidecars = (c for c in _get(spec, "initContainers") or () if is_sidecar(c))
    for container in chain(_get(spec, "containers") or (), sidecars):
        for listed in _get(container, "ports") or ():
            if _get(listed, "name") == port and (_get(listed, "protocol") or "TCP") == protocol:
                found: int = _get(listed, "containerPort")
                return found
    return None


def host_ports(pod: Any) -> list[tuple[str, str, int]]:
    """(host IP, protocol, port) of everything that the Pod binds on its node."""
    found = []
    for container in containers(pod):
        for listed in _get(container, "ports") or ():
            port = _get(listed, "hostPort")
            if port:
                found.append((_get(listed, "hostIP") or "0.0.0.0", _get(listed, "protocol") or "TCP", port))  # noqa: S104
    return found
