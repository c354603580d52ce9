"""An address that moves because somebody wants it to: no request is lost, neither one in work nor one that comes.

Invariant: a client waits 5 s at most, which is more than the second after which TCP repeats what was not heard.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.root.clustering import assemble, await_equal, serve_on
from tests.root.lab import Lab, obstacle

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(obstacle()), reason=obstacle()),
    pytest.mark.timeout(300),
]

ADDRESS = "10.77.0.101"
PATIENCE = 5.0


def test_a_member_that_is_restarted_costs_no_request(tmp_path: Path) -> None:
    """R2, R55: the holder is stopped and started again under load, and takes its address back; nothing fails."""
    with Lab(2, tmp_path) as lab:
        assemble(lab, "--traffic-ips", "none")
        lab.rest(1).put("global_settings", "", {"fault_tolerance": {"autofailback_delay": 1}})
        first, second = lab.ids
        pinned = [{"ip": ADDRESS, "traffic_manager": lab.host_name(first)}]
        target = serve_on(lab, ADDRESS, ip_mapping=pinned)
        await_equal(lab, lab.ids)
        lab.await_holder(ADDRESS, first)
        with lab.load(target, patience=PATIENCE, rate=200) as load:
            time.sleep(0.5)
            for _ in range(3):
                assert lab.stop(first) == 0
                lab.await_holder(ADDRESS, second)
                time.sleep(0.5)
                lab.start(first)
                lab.await_holder(ADDRESS, first)
                time.sleep(0.5)
        assert load.failures() == []
        print(
            f"{len(load.requests)} requests, slowest {max(request.seconds for request in load.requests):.3f} s"
        )
