"""Global settings of TLS towards clients and nodes, and of cryptographic hardware.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Hidden, Line, Lines, Secret, Since, Unit


class Ssl(Section):
    """
    TLS as virtual servers and pools speak it, unless they have settings of their own: versions, ciphers,
    sessions and tickets, OCSP.
    """

    allow_rehandshake: Annotated[Literal["always", "never", "rfc5746", "safe"], Since("5.0")] = "safe"
    """
    When a handshake may be repeated on an open connection: never, always, only as RFC 5746 secures it, or
    also (`safe`) for old peers as long as no data of theirs can be injected.
    """

    cache_enabled: Annotated[bool, Since("5.0")] = True
    """
    Whether sessions of clients are remembered, so that a client that returns is spared the full handshake.
    """

    cache_expiry: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 1800
    """How long a remembered session can be resumed."""

    cache_per_virtualserver: bool = True
    """Whether a session can be resumed only with the virtual server where it began."""

    cache_size: Annotated[int, Field(ge=0, le=2_147_483_647)] = 6151
    """How many sessions are remembered; 0 means none. A change takes effect at the next restart."""

    cipher_suites: Annotated[Line, Since("5.0")] = ""
    """Cipher suites, in order of preference and separated by commas; empty means the built-in list."""

    client_cache_enabled: Annotated[bool, Since("5.0")] = True
    """Whether sessions with nodes are remembered, so that a new connection is spared the full handshake."""

    client_cache_expiry: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("s"), Since("5.0")] = 14400
    """How long a session with a node is remembered."""

    client_cache_size: Annotated[int, Field(ge=0, le=2_147_483_647), Since("5.0")] = 1024
    """How many sessions with nodes each worker remembers."""

    client_cache_tickets_enabled: Annotated[bool, Since("5.0")] = True
    """Whether session tickets that nodes issue are kept and presented to them again."""

    crl_mem_size: Line = "5MB"
    """
    Memory for certificate revocation lists: a size (`5MB`) or a share of all memory (`1%`). A change takes
    effect at the next restart.
    """

    diffie_hellman_client_min_modulus_size: Annotated[int, Unit("bits"), Hidden(), Since("5.2")] = 0
    """The shortest Diffie-Hellman modulus that is accepted from a node."""

    diffie_hellman_modulus_size: Annotated[
        Literal["dh_1024", "dh_2048", "dh_3072", "dh_4096"], Since("5.0")
    ] = "dh_2048"
    """Length in bits of the modulus for Diffie-Hellman key exchange with clients."""

    disable_stitched_cbc_hmac: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether encryption and authentication are computed one after the other instead of in one pass."""

    elliptic_curves: Annotated[Lines, Since("3.4")] = ()
    """Curves for key exchange, in order of preference; empty means the built-in list."""

    honor_fallback_scsv: bool = True
    """
    Whether a client that says it has fallen back to an older protocol version is turned away when both sides
    could have spoken a newer one.
    """

    insert_extra_fragment: bool = False
    """
    Whether an empty record goes before the data in SSL 3.0 and TLS 1.0 with CBC ciphers, against the BEAST
    attack. Some clients cannot cope with it.
    """

    log_keys: Annotated[bool, Since("6.1")] = False
    """
    Whether virtual servers and pools may log the keys of their sessions, so that captured traffic can be
    decrypted for analysis. Each must ask for it, too.
    """

    max_handshake_message_size: Annotated[int, Field(ge=0, le=16_777_215), Unit("bytes")] = 10240
    """The largest handshake message that is accepted. Clients with long certificate chains need more."""

    middlebox_compatibility: Annotated[bool, Since("6.2")] = True
    """
    Whether TLS 1.3 is made to look like the resumption of a TLS 1.2 session, for devices in between that
    insist.
    """

    min_rehandshake_interval: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("ms"), Since("5.0")] = 1000
    """The least time between two handshakes on one connection; 0 lets them follow at once."""

    obscure_alert_descriptions: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether alerts leave it open why a handshake failed."""

    ocsp_cache_size: Annotated[int, Field(ge=0, le=2_147_483_647)] = 2048
    """How many OCSP answers about client certificates are kept. A change takes effect at the next restart."""

    ocsp_max_response_size: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The largest OCSP answer that is accepted."""

    ocsp_stapling_default_refresh_interval: Annotated[int, Field(ge=1, le=2_147_483_647), Unit("s")] = 60
    """
    When an OCSP answer to be stapled is fetched anew, if the answer itself does not say until when it is
    good.
    """

    ocsp_stapling_maximum_refresh_interval: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("s")] = 864_000
    """The longest that a stapled OCSP answer is used before it is fetched anew; 0 sets no limit."""

    ocsp_stapling_mem_size: Line = "1MB"
    """
    Memory for stapled OCSP answers: a size (`1MB`) or a share of all memory (`1%`). A change takes effect at
    the next restart.
    """

    ocsp_stapling_minimum_refresh_interval: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """The least time between two requests for the same OCSP answer."""

    ocsp_stapling_prefetch: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long before it runs out a stapled OCSP answer is fetched anew."""

    ocsp_stapling_time_tolerance: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("s")] = 30
    """How far the clocks of an OCSP responder and of this machine may differ."""

    ocsp_stapling_verify_response: bool = False
    """Whether the signature of an OCSP answer is checked before it is stapled."""

    signature_algorithms: Line = ""
    """Signature algorithms, in order of preference and separated by commas; empty means the built-in list."""

    support_ssl3: bool = False
    """Whether SSL 3.0 is spoken. It is broken; leave it off."""

    support_tls1: bool = True
    """Whether TLS 1.0 is spoken."""

    support_tls1_1: bool = True
    """Whether TLS 1.1 is spoken."""

    support_tls1_2: bool = True
    """Whether TLS 1.2 is spoken."""

    support_tls1_3: Annotated[bool, Since("6.1")] = True
    """Whether TLS 1.3 is spoken."""

    tickets_enabled: Annotated[bool, Since("5.0")] = True
    """Whether clients get session tickets, by which they resume a session that no member has to remember."""

    tickets_reissue_policy: Annotated[Literal["always", "never"], Since("5.0")] = "never"
    """Whether a client that resumes by a ticket gets a new one (TLS 1.2 and older)."""

    tickets_ticket_expiry: Annotated[int, Field(ge=60, le=31_536_000), Unit("s"), Since("5.0")] = 14400
    """How long a session ticket can be used."""

    tickets_ticket_key_expiry: Annotated[int, Field(ge=120, le=31_536_000), Unit("s"), Since("5.0")] = 86400
    """How long a key that was made here for session tickets is accepted."""

    tickets_ticket_key_rotation: Annotated[int, Field(ge=60, le=31_535_940), Unit("s"), Since("5.0")] = 14400
    """
    How often a new key for session tickets is made. It must be shorter than a key's lifetime, so that keys
    overlap.
    """

    tickets_time_tolerance: Annotated[Count, Unit("s"), Since("5.0")] = 30
    """How far the clocks of members may differ when a ticket issued by another member is judged."""

    validate_server_certificates_catalog: Annotated[bool, Since("5.2")] = True
    """Whether a certificate and its key are checked against each other before they are stored."""


class SslHardware(Section):
    """Private keys held by hardware or by Azure Key Vault, and the cryptography done there."""

    accel: bool = False
    """Whether ordinary keys, too, are given to the hardware for faster handshakes."""

    azure_api_version: Annotated[Line, Hidden(), Since("4.0")] = ""
    """Version of the Key Vault interface that is spoken."""

    azure_client_id: Annotated[Line, Since("3.4")] = ""
    """Client identifier by which the traffic manager logs in to Azure."""

    azure_client_secret: Annotated[Line, Secret("empty"), Since("3.4")] = ""
    """The secret that belongs to the client identifier."""

    azure_connect_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a connection to Key Vault may take to be made."""

    azure_idle_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long an idle connection to Key Vault is kept open."""

    azure_key_list_conns: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many connections are used to list the keys of a vault."""

    azure_vault_url: Annotated[Line, Since("3.4")] = ""
    """Address of the vault that holds the private keys."""

    azure_verify_rest_api_cert: Annotated[bool, Since("3.4")] = True
    """Whether the certificate of the vault is checked. Switch it off for tests only."""

    driver_pkcs11_debug: bool = False
    """Whether every call of the PKCS#11 library is written to the event log."""

    driver_pkcs11_lib: Line = ""
    """File name of the PKCS#11 library that came with the hardware; empty searches the usual places."""

    driver_pkcs11_slot_desc: Line = ""
    """Label of the slot that holds the keys; empty takes the first that fits."""

    driver_pkcs11_slot_type: Literal["module", "operator", "softcard"] = "operator"
    """
    What protects the keys in the hardware: the module itself, an operator's card, or a card kept as software.
    """

    driver_pkcs11_user_pin: Annotated[Line, Secret("empty")] = ""
    """The PIN that opens the slot."""

    failure_count: Annotated[int, Field(ge=1, le=99_999)] = 5
    """After how many failures in a row the hardware counts as broken and is left alone."""

    library: Literal["azure", "none", "pkcs11"] = "none"
    """
    What holds the private keys: Azure Key Vault, hardware with a PKCS#11 library, or nothing of the kind.
    """

    nworkers: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many processes talk to the hardware."""

    queuelen: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many operations may wait for the hardware."""
