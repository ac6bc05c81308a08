"""nftables through its netlink interface: expressions, rules, maps, and one atomic transaction for any change.

Packed by hand instead of going through `nft` or libnftables, which read back the whole rule set before they change one
element: here a change costs what it changes, however many rules there are, and the host needs no tool for it. What is
written is ordinary nftables: `nft list table ip sampan-NAME` shows it in nft's own language.
"""

from .expressions import Expression, Value, Verdict
from .tables import MapType, SetType
from .transaction import Chain, Rule, Transaction

__all__ = ["Chain", "Expression", "MapType", "Rule", "SetType", "Transaction", "Value", "Verdict"]
