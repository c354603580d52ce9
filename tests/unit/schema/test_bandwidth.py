"""Bandwidth classes: their defaults and ranges are the product's."""

from __future__ import annotations

import pytest

from pointsman.schema.bandwidth import BANDWIDTH, Bandwidth
from pointsman.schema.validate import Invalid, build


def test_a_class_has_the_defaults_of_the_product() -> None:
    made = build(BANDWIDTH, "gold", {})
    assert isinstance(made, Bandwidth)
    assert made.basic.model_dump() == {"maximum": 10_000, "note": "", "sharing": "cluster"}


@pytest.mark.parametrize("maximum", [0, -1, 20_000_001, 1.5, "10"])
def test_a_maximum_out_of_range_is_refused(maximum: object) -> None:
    with pytest.raises(Invalid) as caught:
        build(BANDWIDTH, "gold", {"basic": {"maximum": maximum}})
    (problem,) = caught.value.problems
    assert problem.path == ("basic", "maximum")


def test_unknown_sharing_is_refused() -> None:
    with pytest.raises(Invalid):
        build(BANDWIDTH, "gold", {"basic": {"sharing": "country"}})
