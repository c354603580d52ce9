"""What a container gives its instance, as the kernel tells it."""

from __future__ import annotations

import ipaddress
import time

import pytest

from pointsman.provision.surroundings import missing_capabilities, outward_address, own_status, resolves


@pytest.mark.parametrize(
    ("effective", "missing"),
    [
        ("000001ffffffffff", ()),
        ("0000000000003000", ()),
        ("0000000000001000", ("NET_RAW",)),
        ("00000000a80425fb", ("NET_ADMIN",)),
        ("0000000000000000", ("NET_ADMIN", "NET_RAW")),
    ],
)
def test_capabilities_that_a_process_lacks(effective: str, missing: tuple[str, ...]) -> None:
    """R13: what is needed for traffic IPs is NET_ADMIN and NET_RAW; the second figure is Docker's usual set."""
    assert missing_capabilities(f"Name:\tx\nCapPrm:\t0\nCapEff:\t{effective}\nCapBnd:\t0\n") == missing


def test_a_kernel_that_does_not_tell_lacks_nothing() -> None:
    assert missing_capabilities("") == ()
    assert "CapEff" in own_status()


def test_the_outward_address_is_one_others_could_reach() -> None:
    """R5: the address with the default route identifies an instance without a name that resolves."""
    address = outward_address()
    assert not address or not ipaddress.ip_address(address).is_loopback


def test_names_resolve_or_not_within_bounds() -> None:
    assert resolves("localhost")
    assert not resolves("a" * 64)
    begun = time.monotonic()
    resolves("nowhere.invalid", 0.01)
    assert time.monotonic() - begun < 5
