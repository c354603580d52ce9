"""Global settings of the management surfaces: TLS of the administration server, logins, REST, SOAP, SNMP.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Row, Section
from pointsman.schema.value import Count, Hidden, Line, Lines, Since, Table, TableKey, Text, Unit


class Admin(Section):
    """TLS as spoken by the administration server, REST, and between members of the cluster."""

    honor_fallback_scsv: bool = True
    """
    Whether a client that says it has fallen back to an older protocol version is turned away when both sides
    could have spoken a newer one.
    """

    ssl3_allow_rehandshake: Literal["always", "never", "rfc5746", "safe"] = "rfc5746"
    """
    When a handshake may be repeated on an open connection: never, always, only as RFC 5746 secures it, or
    also (`safe`) for old clients as long as no data of theirs can be injected.
    """

    ssl3_ciphers: Line = ""
    """Cipher suites, in order of preference and separated by commas; empty means the built-in list."""

    ssl3_diffie_hellman_key_length: Literal["dh_1024", "dh_2048", "dh_3072", "dh_4096"] = "dh_2048"
    """Length in bits of the modulus for Diffie-Hellman key exchange."""

    ssl3_min_rehandshake_interval: Annotated[int, Field(ge=0, le=2_147_483_647), Unit("ms")] = 1000
    """The least time between two handshakes on one connection; 0 lets them follow at once."""

    ssl_elliptic_curves: Annotated[Lines, Since("3.4")] = ()
    """Curves for key exchange, in order of preference; empty means the built-in list."""

    ssl_insert_extra_fragment: bool = False
    """
    Whether an empty record goes before the data in SSL 3.0 and TLS 1.0 with CBC ciphers, against the BEAST
    attack. Some clients cannot cope with it.
    """

    ssl_max_handshake_message_size: Annotated[int, Field(ge=0, le=16_777_215), Unit("bytes")] = 10240
    """The largest handshake message that is accepted."""

    ssl_signature_algorithms: Line = ""
    """Signature algorithms, in order of preference and separated by commas; empty means the built-in list."""

    support_ssl3: bool = False
    """Whether SSL 3.0 is spoken. It is broken; leave it off."""

    support_tls1: bool = True
    """Whether TLS 1.0 is spoken."""

    support_tls1_1: Annotated[bool, Since("5.0")] = True
    """Whether TLS 1.1 is spoken."""

    support_tls1_2: Annotated[bool, Since("5.0")] = True
    """Whether TLS 1.2 is spoken."""

    support_tls1_3: Annotated[bool, Since("6.1")] = True
    """Whether TLS 1.3 is spoken."""


class Auth(Section):
    """Keys that protect what a SAML login leaves with the client."""

    saml_key_lifetime: Annotated[int, Field(ge=120, le=31_536_000), Unit("s"), Since("5.2")] = 86400
    """How long a key made for the protection of SAML state stays valid."""

    saml_key_rotation_interval: Annotated[int, Field(ge=60, le=31_535_940), Unit("s"), Since("5.2")] = 14400
    """How often a new key is made. It must be shorter than a key's lifetime, so that keys overlap."""


class Path(Row):
    """One translation of a path that REST clients use."""

    absolute_path: Line = ""
    """The path of the resource itself."""

    symlink_path: Line = ""
    """The path by which clients may ask for it as well."""


class RestApi(Section):
    """The REST service for configuration and statistics."""

    auth_timeout: Annotated[Count, Unit("s")] = 120
    """
    How long a login that was checked once is taken as good, so that an external authenticator is not asked
    for every request; 0 checks each request.
    """

    block_for_future_max: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long a request may wait for work that it started to finish."""

    enabled: bool = True
    """Whether the REST service answers at all."""

    http_compress_min: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The smallest answer that is compressed."""

    http_keep_alive_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long an idle connection of a REST client is kept open."""

    http_max_header_length: Annotated[Count, Unit("bytes")] = 4096
    """The most that the request line and headers of a REST request may amount to."""

    http_max_resource_body_length: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The largest body of a REST request; 0 means the built-in limit."""

    http_max_write_buffer: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """How much of an answer is held in memory for a client that reads slowly."""

    http_session_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long the state kept for a REST client outlives its last request."""

    maxfds: Annotated[int, Field(ge=100, le=9_999_999), Since("6.2")] = 1_048_576
    """How many files and sockets the REST service may hold open."""

    proxy_map: Annotated[Table[Path], TableKey("absolute_path"), Hidden(), Since("4.0")] = ()
    """Paths under which resources can be reached besides their own."""

    replicate_absolute: Annotated[Count, Unit("s")] = 20
    """
    The longest that changes made by REST wait before they go to the other members, also when new ones keep
    coming.
    """

    replicate_lull: Annotated[Count, Unit("s")] = 5
    """How long no change must have come by REST before what has gathered goes to the other members."""

    replicate_timeout: Annotated[Count, Unit("s")] = 10
    """How long passing changes on may take before it counts as failed."""


class Security(Section):
    """Logins of administrators: banners, protection against guessing, rules for new passwords."""

    login_banner: Text = ""
    """Text on the login page, for instance terms of use."""

    login_banner_accept: bool = False
    """Whether the banner has to be accepted, by a tick, before one can log in."""

    login_delay: Annotated[int, Field(ge=0, le=999_999), Unit("s")] = 4
    """How long after a failed login the next attempt is held back; 0 does not hold back."""

    max_login_attempts: Annotated[int, Field(ge=0, le=1000)] = 0
    """After how many failed logins in a row a user is suspended; 0 never suspends."""

    max_login_external: bool = False
    """Whether suspension applies to users of external authenticators, too."""

    max_login_suspension_time: Annotated[int, Field(ge=1, le=999_999), Unit("minutes")] = 15
    """How long a user stays suspended after too many failed logins."""

    password_allow_consecutive_chars: bool = True
    """Whether a new password may have the same character twice in a row."""

    password_changes_per_day: Annotated[int, Field(ge=0, le=255)] = 0
    """How often a user may change their password within 24 hours; 0 sets no limit."""

    password_min_alpha_chars: Annotated[int, Field(ge=0, le=255)] = 0
    """How many letters a new password must have."""

    password_min_length: Annotated[int, Field(ge=0, le=255)] = 0
    """How many characters a new password must have; 0 asks for none in particular."""

    password_min_numeric_chars: Annotated[int, Field(ge=0, le=255)] = 0
    """How many digits a new password must have."""

    password_min_special_chars: Annotated[int, Field(ge=0, le=255)] = 0
    """How many characters other than letters and digits a new password must have."""

    password_min_uppercase_chars: Annotated[int, Field(ge=0, le=255)] = 0
    """How many capital letters a new password must have."""

    password_reuse_after: Annotated[int, Field(ge=0, le=255)] = 0
    """How many other passwords must come before an old one may be used again; 0 sets no limit."""

    post_login_banner: Text = ""
    """Text shown once, right after a login."""

    track_unknown_users: bool = False
    """
    Whether failed logins of names that do not exist are remembered as well. It keeps an attacker from telling
    which names exist, at the price of memory.
    """

    ui_page_banner: Text = ""
    """Text at the top of every page of the administration server."""


class Snmp(Section):
    """The SNMP agent, as far as it is the same on all members."""

    user_counters: Annotated[int, Field(ge=0, le=10_000)] = 10
    """How many counters there are for rules to count in. A change takes effect at the next restart."""


class Soap(Section):
    """The SOAP service."""

    idle_minutes: Annotated[int, Field(ge=1, le=1440), Unit("minutes")] = 10
    """How long the process that answers SOAP requests waits for another before it ends."""
