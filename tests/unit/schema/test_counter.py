"""The statistics tree."""

from __future__ import annotations

from tests.each import each

from pointsman.schema.counter import STATISTIC_TYPES, STATISTICS_BY_PATH, CounterKind, StatisticType

UNITS = {
    "",
    "%",
    "1/100 s",
    "MB",
    "bytes",
    "bytes / 2^32",
    "bytes mod 2^32",
    "bytes/s",
    "kB",
    "kbit/s",
    "ms",
    "per minute",
    "per second",
    "s",
}

EACH_LEAF = each(zip(STATISTIC_TYPES), lambda leaf: leaf.path)


def test_the_tree_is_complete_and_in_order() -> None:
    paths = [leaf.path for leaf in STATISTIC_TYPES]
    assert paths == sorted(set(paths))
    assert len(paths) == 35
    assert sum(len(leaf.counters) for leaf in STATISTIC_TYPES) == 379
    assert all(STATISTICS_BY_PATH[path].path == path for path in paths)


def test_no_leaf_is_inside_another() -> None:
    for leaf in STATISTIC_TYPES:
        parent = leaf.path.rpartition("/")[0]
        assert parent not in STATISTICS_BY_PATH


@EACH_LEAF
def test_counters_are_unique_and_in_order(leaf: StatisticType) -> None:
    names = [counter.name for counter in leaf.counters]
    assert names == sorted(set(names))
    assert names


@EACH_LEAF
def test_counters_are_described(leaf: StatisticType) -> None:
    assert leaf.help.endswith(".")
    for counter in leaf.counters:
        assert counter.help.endswith("."), counter.name
        assert counter.unit in UNITS, counter.name
        assert bool(counter.values) == (counter.kind is CounterKind.STATE), counter.name


def test_one_set_of_figures_for_the_whole_traffic_manager() -> None:
    whole = {leaf.path for leaf in STATISTIC_TYPES if not leaf.per_object}
    assert {"globals", "ssl_ocsp_stapling", "traffic_ips/ip_gateway"} <= whole
    assert {path for path in whole if path.startswith("cache/")} == {
        leaf.path for leaf in STATISTIC_TYPES if leaf.path.startswith("cache/")
    }


def test_a_counter_is_found_by_name() -> None:
    leaf = STATISTICS_BY_PATH["virtual_servers"]
    found = leaf.counter("total_http_requests")
    assert found is not None
    assert found.kind is CounterKind.COUNTER
    assert leaf.counter("total_ftp_requests") is None


def test_views_of_nodes_agree() -> None:
    node, inet46, per_pool = (
        {counter.name for counter in STATISTICS_BY_PATH[f"nodes/{view}"].counters}
        for view in ("node", "node_inet46", "per_pool_node")
    )
    assert inet46 - {"port"} == per_pool - {"node_port"}
    assert inet46 - node == {"bytes_from_node", "bytes_to_node", "idle_conns"}
