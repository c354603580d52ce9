"""Reading the machine's addresses from the kernel's tables."""

from pointsman.identity.machine import local_ipv4, local_ipv6

FIB_TRIE = """\
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 10.0.0.0/24 2 0 2
        |-- 10.0.0.0
           /24 link UNICAST
        |-- 10.0.0.5
           /32 host LOCAL
        |-- 10.0.0.255
           /32 link BROADCAST
        |-- 127.0.0.1
           /32 host LOCAL
"""

IF_INET6 = """\
00000000000000000000000000000001 01 80 10 80       lo
20010db8000000000000000000000005 02 40 00 80     eth0
"""


def test_local_addresses_are_found_among_routes() -> None:
    assert local_ipv4(FIB_TRIE) == {"10.0.0.5", "127.0.0.1"}
    assert local_ipv4("") == set()


def test_addresses_of_ipv6_are_found() -> None:
    assert local_ipv6(IF_INET6) == {"::1", "2001:db8::5"}
    assert local_ipv6("") == set()
