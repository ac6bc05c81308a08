"""Beside a firewall of the host: where one drops what it does not know (Docker, ufw), our interfaces are let through.

A packet must pass every table of the kernel, so no rule of our own table can overrule another's drop. Where the usual
chains `filter FORWARD` and `filter INPUT` of iptables are in use, one accepting rule per direction stands at their top,
marked with the cluster's name and gone with it. Nothing else of another's is touched.
"""

from __future__ import annotations

import logging

from .netlink import NetlinkSocket
from .nft import Transaction
from .nft import expressions as nft
from .nft.transaction import rules_of

_TABLE = "filter"
log = logging.getLogger(__name__)


def _rules(ours: str) -> dict[str, list[tuple[bytes, ...]]]:
    """Spelled as iptables spells them, so that its own tools go on reading the chain."""
    accept = nft.counter(), nft.verdict(nft.ACCEPT)
    from_pods = (*nft.interface(nft.META_IIFNAME, ours), *accept)
    to_pods = (*nft.interface(nft.META_OIFNAME, ours), *accept)
    return {"FORWARD": [from_pods, to_pods], "INPUT": [from_pods]}


def _mark(name: str) -> str:
    return f"sampan {name}"


def let_through(netfilter: NetlinkSocket, name: str, interface: str) -> None:
    """An interface, or all that begin alike (`sv12*`). Call again at times: a firewall that reloads forgets us."""
    transaction = Transaction(_TABLE)
    for chain, rules in _rules(interface).items():
        present = rules_of(netfilter, _TABLE, chain)
        if present is None or any(comment == _mark(name) for _, comment in present):
            continue
        for rule in rules:
            transaction.insert_rule(chain, rule, _mark(name))
    if len(transaction):
        log.info("letting this cluster's interfaces through the host's firewall (iptables filter)")
        transaction.commit(netfilter)


def withdraw(netfilter: NetlinkSocket, name: str) -> None:
    transaction = Transaction(_TABLE)
    for chain in _rules(""):
        for handle, comment in rules_of(netfilter, _TABLE, chain) or ():
            if comment == _mark(name):
                transaction.drop_rule(chain, handle)
    transaction.commit(netfilter)
