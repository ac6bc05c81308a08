"""Names fit where the kernel wants them, and do not meet."""

from hypothesis import given
from hypothesis import strategies as st

from sampan.network import names

ids = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="/"), min_size=1, max_size=63)


@given(ids, ids)
def test_interfaces_fit_into_fifteen_characters(cluster: str, workload: str) -> None:
    made = [names.home(cluster), names.node_bridge(cluster)]
    made += [names.veth(cluster, workload), names.node_link(cluster, workload)]
    assert all(len(name) <= 15 for name in made)
    assert len(set(made)) == 4
    assert names.veth(cluster, workload).startswith(names.veth_prefix(cluster))


def test_clusters_have_names_of_their_own() -> None:
    assert names.home("sampan") == "sp-sampan"
    assert names.home("a-rather-long-name-1") != names.home("a-rather-long-name-2")
    assert names.veth("one", "pod") != names.veth("two", "pod")
    assert names.table("one") == "sampan-one"
