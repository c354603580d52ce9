"""Networks: who reaches an instance, by which port, and how instances reach each other."""

from __future__ import annotations

import http.client
import json

import pytest
from tests.container.docker import LONG, Container, Containers, node
from tools.instance import free_port, wait_for

pytestmark = pytest.mark.root
ASK = """
import ssl, sys, urllib.request
context = ssl.create_default_context(); context.check_hostname = False; context.verify_mode = ssl.CERT_NONE
print(urllib.request.urlopen(sys.argv[1], timeout=5, context=context).read().decode())
"""


def ask(container: Container, url: str) -> str:
    """What a client in a container gets from a URL, whatever certificate is shown."""
    return container.exec("python3", "-c", ASK, url).stdout.strip()


def plain_http(address: str, port: int) -> tuple[int, str]:
    """Status and text of a GET of /healthz over plain HTTP."""
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_api_is_plain_and_tls_on_loopback(plain: Container, scheme: str) -> None:
    """R9: on loopback 9070 answers plain HTTP as well as TLS, on the same port."""
    assert ask(plain, f"{scheme}://127.0.0.1:9070/healthz") == "ok"
    assert ask(plain, f"{scheme}://localhost:9070/healthz") == "ok"


@pytest.mark.parametrize("port", [9070, 9080, 9090])
def test_from_elsewhere_there_is_tls_only(plain: Container, port: int) -> None:
    """R9: from elsewhere 9070 is TLS only, as are 9080 and 9090 always."""
    assert plain.healthz(port) == 200
    status, text = plain_http(plain.address(), port)
    assert (status, "use https" in text) == (403, True)


def test_two_instances_with_the_same_ports(containers: Containers) -> None:
    """R3: two containers on one host, with the same ports inside, do not disturb each other."""
    with node("one") as first, node("two") as second:
        one, two = containers.run(), containers.run()
        one.serve([f"{one.host}:{first}"], port=80)
        two.serve([f"{two.host}:{second}"], port=80)
        assert (one.fetch(80)[1], two.fetch(80)[1]) == ("one", "two")
        assert one.stop() == 0
        assert two.fetch(80)[1] == "two"
        one.start().wait_ready()
        assert (one.fetch(80)[1], two.fetch(80)[1]) == ("one", "two")


def test_ports_are_published(containers: Containers) -> None:
    """R3: `-p ADDRESS:PORT:9070` of two containers reaches the REST API of each, by the address that was asked for."""
    ports = [free_port(), free_port()]
    started = [containers.run("-h", f"pm{port}", "-p", f"127.0.0.1:{port}:9070") for port in ports]
    for port, container in zip(ports, started, strict=True):
        found = container.rest("GET", "config/active/traffic_managers", at=("127.0.0.1", port))[1]
        assert [child["name"] for child in found["children"]] == [f"pm{port}"]
        assert plain_http("127.0.0.1", port)[0] == 403  # it comes from outside the container


@pytest.mark.parametrize("kind", ["default bridge", "own bridge"])
def test_containers_reach_each_other(containers: Containers, kind: str) -> None:
    """R4: on the default bridge and on one of its own, each has an address of the subnet and reaches the other."""
    flags: tuple[str, ...] = ()
    if kind == "own bridge":
        network, prefix = containers.network()
        flags = ("--network", network)
    one, two = containers.run(*flags), containers.run(*flags)
    addresses = [container.address() for container in (one, two)]
    assert addresses[0] != addresses[1]
    if kind == "own bridge":
        assert all(address.startswith(f"{prefix}.") for address in addresses)
    assert ask(one, f"https://{addresses[1]}:9070/healthz") == "ok"
    assert ask(two, f"https://{addresses[0]}:9080/healthz") == "ok"


def test_the_hosts_own_network(containers: Containers) -> None:
    """R4: host networking works. The ports are given, for those that are usual may be taken on this machine."""
    flags = ("--rest-port", "0", "--ui-port", "0", "--control-port", "0")
    container = containers.run("--network", "host", command=flags, ready=False)

    def ports() -> dict[str, int]:
        wrote = container.exec("cat", "/usr/local/zeus/var/run/ports.json", check=False).stdout
        return {name: int(port) for name, port in json.loads(wrote or "{}").items()}

    found = wait_for("the ports", ports, LONG)
    wait_for(
        "ready", lambda: container.exec("pointsman-container", "health", check=False).returncode == 0, LONG
    )
    assert plain_http("127.0.0.1", found["rest"]) == (200, "ok\n")
    assert container.stop() == 0


def test_the_host_name_is_the_instances_name(containers: Containers) -> None:
    """R24: `-h` is honoured."""
    container = containers.run("-h", "vtm1.mycompany.com")
    assert container.shell("hostname") == "vtm1.mycompany.com\n"
    status, answer = container.rest("GET", "config/active/traffic_managers")
    assert status == 200
    assert [child["name"] for child in answer["children"]] == ["vtm1.mycompany.com"]


def test_search_domains_are_honoured(containers: Containers) -> None:
    """R24: `--dns-search` is honoured, by shells and by the engine that looks up a node's short name."""
    network, _ = containers.network()
    back = containers.name()
    containers.docker(
        *f"run -d --name {back} --network {network} --network-alias app.shop.example --entrypoint python3".split(),
        *(containers.image, "-m", "http.server", "8000", "-d", "/usr/share/doc"),
    )
    container = containers.run("--network", network, "--dns-search", "shop.example")
    assert "search shop.example" in container.file("/etc/resolv.conf")
    container.serve(["app:8000"])
    assert container.fetch()[0] == 200
