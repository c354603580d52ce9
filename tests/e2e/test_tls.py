"""TLS termination through certificate changes: what is served changes, how it is served does not."""

from __future__ import annotations

import socket
import ssl
from typing import Any

import pytest
from tests.certificates import self_signed
from tests.e2e.test_traffic import in_force
from tools.instance import Instance, free_port, wait_for


def handshake(
    port: int, host: str, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> tuple[str | None, bytes]:
    """What is negotiated for a host name: the protocol of ALPN, and the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version < ssl.TLSVersion.TLSv1_2:
        context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = version
    context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname=host) as secure,
    ):
        return secure.selected_alpn_protocol(), secure.getpeercert(binary_form=True) or b""


def put_certificate(instance: Instance, name: str, host: str) -> bytes:
    """Stores a new certificate for a host, and gives it in DER."""
    public, private = self_signed(host)
    status, body = instance.put("ssl/server_keys", name, {"basic": {"public": public, "private": private}})
    assert status in (200, 201), body
    return ssl.PEM_cert_to_DER_cert(public)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_a_replaced_certificate_keeps_protocols_and_versions(instance: Instance) -> None:
    port = free_port()
    default = put_certificate(instance, "default", "default.example")
    wild = put_certificate(instance, "wild", "*.b.example")
    assert instance.put("pools", "app", {"basic": {"nodes_table": [{"node": "127.0.0.1:1"}]}})[0] == 201
    settings: dict[str, Any] = {
        "basic": {"enabled": True, "port": port, "pool": "app", "ssl_decrypt": True},
        "ssl": {
            "server_cert_default": "default",
            "server_cert_host_mapping": [{"host": "*.b.example", "certificate": "wild"}],
        },
    }
    assert instance.put("virtual_servers", "web", settings)[0] == 201
    wait_for("in force", lambda: in_force(instance))
    assert handshake(port, "else.example") == ("h2", default)
    assert handshake(port, "x.b.example") == ("h2", wild)

    default = put_certificate(instance, "default", "renewed.example")
    wild = put_certificate(instance, "wild", "*.b.example")
    wait_for("in force", lambda: in_force(instance))
    acts = [apply["act"] for apply in instance.get("status/local_tm/applies")["applies"]]
    assert acts[0] == "runtime", acts
    assert handshake(port, "else.example") == ("h2", default)
    assert handshake(port, "x.b.example") == ("h2", wild)
    for host in ("else.example", "x.b.example"):
        with pytest.raises(ssl.SSLError):
            handshake(port, host, ssl.TLSVersion.TLSv1_1)
