"""TLS: the versions and ciphers of both sides, and the certificates that a virtual server presents.

Invariant: a virtual server without a usable default certificate does not listen; a host of its mapping without a
usable certificate gets the default one and is named in a condition.

Facts (HAProxy 2.8.25): the first line of a certificate list is the default for clients whose name matches nothing. The
same certificate may stand in several lines, one for each host, so that hosts come and go at run time. `*.example.com`
matches one label in place of the `*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from pointsman.compiler.certificate import Unusable, chain_and_key
from pointsman.compiler.facts import Facts
from pointsman.compiler.haproxy import name
from pointsman.compiler.haproxy.quote import Unquotable, entry_word
from pointsman.compiler.memory import Memory
from pointsman.compiler.remark import Remarks
from pointsman.schema.global_settings import GlobalSettings
from pointsman.schema.pool import Ssl as PoolSsl
from pointsman.schema.problem import ObjectId
from pointsman.schema.server_key import ServerKey
from pointsman.schema.snapshot import Snapshot
from pointsman.schema.virtual_server import VirtualServer
from pointsman.schema.virtual_server.ssl import Ssl as ServerSsl

# Mozilla's "intermediate" recommendation, guidelines version 5.7.
CIPHERS = ":".join(
    f"ECDHE-{authentication}-{cipher}" if exchange == "ECDHE" else f"DHE-RSA-{cipher}"
    for exchange, authentication, cipher in (
        ("ECDHE", "ECDSA", "AES128-GCM-SHA256"),
        ("ECDHE", "RSA", "AES128-GCM-SHA256"),
        ("ECDHE", "ECDSA", "AES256-GCM-SHA384"),
        ("ECDHE", "RSA", "AES256-GCM-SHA384"),
        ("ECDHE", "ECDSA", "CHACHA20-POLY1305"),
        ("ECDHE", "RSA", "CHACHA20-POLY1305"),
        ("DHE", "RSA", "AES128-GCM-SHA256"),
        ("DHE", "RSA", "AES256-GCM-SHA384"),
        ("DHE", "RSA", "CHACHA20-POLY1305"),
    )
)
CIPHER_SUITES = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
CURVES = "X25519:prime256v1:secp384r1"

UNUSED_NAME = "default.invalid"

# TLS 1.0 and 1.1 know none of the ciphers above, and OpenSSL 3 permits them at security level 0 only.
_OLD_CIPHERS = ":ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:AES128-SHA:AES256-SHA:@SECLEVEL=0"

_LOWEST, _HIGHEST = "TLSv1.2", "TLSv1.3"


@dataclass(frozen=True)
class Termination:
    """What a virtual server's listeners need for TLS: the words after `bind`, the certificate list, the files."""

    words: tuple[str, ...]
    list_path: str
    entries: tuple[str, ...]
    certificates: Mapping[str, bytes] = field(repr=False)


def permitted_versions(
    subject: ObjectId, ssl: PoolSsl | ServerSsl, settings: GlobalSettings, remarks: Remarks
) -> tuple[str, str] | None:
    """The lowest and highest TLS version that the settings of `subject` permit, or None (with a condition) when none.

    By default 1.0 and 1.1 are off whatever the global settings say, because their factory settings date from before
    these versions were broken.
    """
    switches = {
        "TLSv1.0": (ssl.support_tls1, False),
        "TLSv1.1": (ssl.support_tls1_1, False),
        "TLSv1.2": (ssl.support_tls1_2, settings.ssl.support_tls1_2),
        "TLSv1.3": (ssl.support_tls1_3, settings.ssl.support_tls1_3),
    }
    permitted = [
        version
        for version, (switch, default) in switches.items()
        if switch == "enabled" or (switch == "use_default" and default)
    ]
    if not permitted:
        remarks.reject(
            subject,
            "tls_no_version",
            "every TLS version is switched off; enable 1.2 or 1.3",
            "ssl",
            "support_tls1_3",
        )
        return None
    return permitted[0], permitted[-1]


def version_words(span: tuple[str, str]) -> tuple[str, ...]:
    """The words of a `bind` or `server` line that permit these versions; none when they are the usual ones."""
    words: tuple[str, ...] = ()
    if span != (_LOWEST, _HIGHEST):
        words += ("ssl-min-ver", span[0], "ssl-max-ver", span[1])
    if span[0] < _LOWEST:
        words += ("ciphers", CIPHERS + _OLD_CIPHERS)
    return words


@dataclass(frozen=True)
class LoadedKey:
    """A certificate of the catalogue as the engine reads it, or the `fault` that it cannot be used for."""

    pem: bytes = field(default=b"", repr=False)
    fault: str = ""


def loaded_keys(snapshot: Snapshot, facts: Facts, memory: Memory) -> Mapping[str, LoadedKey]:
    """Every certificate of the catalogue by its name. Reading one takes a millisecond, so it is done once."""
    return {
        key_name: memory.recall(
            "certificate",
            key_name,
            (key, refused := facts.refused.get(ObjectId("ssl/server_keys", key_name))),
            partial(_loaded_key, key, refused),
            Remarks(),
        )
        for key_name, key in snapshot.all("ssl/server_keys", ServerKey)
    }


def _loaded_key(key: ServerKey, refused: str | None, _: Remarks) -> LoadedKey:
    if refused is not None:
        return LoadedKey(fault=refused)
    try:
        return LoadedKey(chain_and_key(key.basic.public, key.basic.private))
    except Unusable as unusable:
        return LoadedKey(fault=str(unusable))


def used_keys(server: VirtualServer) -> tuple[str, ...]:
    """The names of the certificates that a virtual server presents."""
    if not server.basic.ssl_decrypt:
        return ()
    return (server.ssl.server_cert_default, *(row.certificate for row in server.ssl.server_cert_host_mapping))


def terminate(
    server_name: str,
    server: VirtualServer,
    settings: GlobalSettings,
    keys: Mapping[str, LoadedKey],
    remarks: Remarks,
) -> Termination | None:
    """TLS towards the clients of a virtual server, or None (with a condition) when it cannot be served."""
    subject = ObjectId("virtual_servers", server_name)
    ssl = server.ssl
    span = permitted_versions(subject, ssl, settings, remarks)
    if span is None:
        return None
    pems: dict[str, bytes] = {}
    default = ssl.server_cert_default
    if not default:
        remarks.reject(
            subject,
            "certificate_missing",
            "TLS is terminated here and no certificate is chosen; set ssl.server_cert_default",
            *("ssl", "server_cert_default"),
        )
        return None
    fault = _load(default, keys, pems)
    if fault:
        remarks.reject(subject, "certificate_missing", fault, "ssl", "server_cert_default")
        return None
    # Without a filter the names inside the default certificate would take precedence over the mapping. The filter is a
    # name that nobody has (RFC 2606): with `!*` a certificate that is replaced at run time would lose the listener's
    # ALPN, versions and ciphers, because HAProxy (2.8) sets them up through a certificate's names alone.
    entries = [f"{name.certificate(default)} {UNUSED_NAME}"]
    seen: set[str] = set()
    for row in sorted(ssl.server_cert_host_mapping, key=lambda row: row.host):
        host = row.host.lower()
        path = ("ssl", "server_cert_host_mapping", row.host)
        fault = _load(row.certificate, keys, pems)
        if fault:
            remarks.warn(
                subject,
                "certificate_missing",
                f"{fault}; {row.host} gets the default one",
                *path,
                "certificate",
            )
        elif "*" in host.removeprefix("*."):
            remarks.warn(
                subject,
                "host_pattern",
                f"the pattern {row.host} is not matched: only *.domain is; clients of such hosts get the default "
                "certificate. Write the hosts out",
                *(*path, "host"),
            )
        elif host in seen:
            remarks.warn(
                subject, "host_twice", f"the host {row.host} occurs twice; remove one of them", *path, "host"
            )
        else:
            try:
                entries.append(f"{name.certificate(row.certificate)} {entry_word(host)}")
                seen.add(host)
            except Unquotable as unquotable:
                remarks.warn(subject, "host_illegal", f"the host {row.host} {unquotable}", *path, "host")
    list_path = name.certificate_list(server_name)
    words = ("ssl", "crt-list", list_path, *version_words(span))
    if server.basic.protocol == "http":
        words += ("alpn", "h2,http/1.1" if server.http2.enabled else "http/1.1")
    return Termination(words, list_path, tuple(entries), pems)


def _load(key_name: str, keys: Mapping[str, LoadedKey], pems: dict[str, bytes]) -> str:
    """Adds the certificate's file to `pems`; answers why it cannot be used, or ""."""
    key = keys.get(key_name)
    if key is None:
        return f'there is no certificate "{key_name}"; create it or choose another'
    if key.fault:
        return f'the certificate "{key_name}" cannot be used: {key.fault}'
    pems[name.certificate(key_name)] = key.pem
    return ""
