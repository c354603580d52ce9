"""Global settings of logs, events, history and their export.

Invariant: each class is one section of `global_settings`; its keys stand in alphabetical order.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pointsman.schema.resource import Section
from pointsman.schema.value import Count, Hidden, Line, Secret, Since, Unit


class Auditlog(Section):
    """Where the audit log goes besides its own file."""

    via_eventd: Annotated[bool, Since("3.6")] = False
    """Whether each audited action raises an event, to which actions can be tied."""

    via_syslog: Annotated[bool, Since("3.4")] = False
    """Whether each audited action goes to the system's log."""


class Eventing(Section):
    """The sending of alerts."""

    mail_interval: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 30
    """How long alerts by e-mail are gathered into one message."""

    max_attempts: Annotated[int, Field(ge=1, le=99_999)] = 10
    """How many times sending an e-mail is tried before it is given up."""


class HistoricalActivity(Section):
    """The record of past traffic."""

    keep_days: Annotated[int, Field(ge=0, le=99_999), Unit("days")] = 90
    """How long the record is kept; 0 keeps it for ever."""


class Log(Section):
    """The event log."""

    error_level: Literal["fatal", "info", "serious", "warn"] = "info"
    """The least severity that is logged: `info` logs everything, `fatal` only what is worst."""

    flush_time: Annotated[int, Field(ge=1, le=99_999), Unit("s")] = 5
    """How long lines may wait in memory before they are written to request logs."""

    log_file: Line = "%zeushome%/zxtm/log/errors"
    """The file for the event log; `%zeushome%` stands for the directory of the installation."""

    rate: Annotated[int, Field(ge=1, le=99_999), Unit("per minute")] = 50
    """How many connection errors may be logged before further ones are only counted."""

    reopen: Annotated[int, Field(ge=0, le=999_999), Unit("s")] = 30
    """How often log files are opened anew, so that other programs can move them away; 0 never does."""

    time: Annotated[int, Field(ge=1, le=999_999), Unit("s")] = 60
    """The least time between two reports of the same error, such as a node that fails again and again."""


class LogExport(Section):
    """Export of log files to a log analysis service."""

    auth_hec_token: Annotated[Line, Secret("empty"), Since("4.0")] = ""
    """The token for `splunk` authentication."""

    auth_http: Annotated[Literal["basic", "none", "splunk"], Since("4.0")] = "none"
    """How the traffic manager proves itself: user and password, a Splunk token, or not at all."""

    auth_password: Annotated[Line, Secret("empty"), Since("4.0")] = ""
    """The password for `basic` authentication."""

    auth_username: Annotated[Line, Since("4.0")] = ""
    """The user name for `basic` authentication."""

    enabled: Annotated[bool, Since("4.0")] = False
    """Whether logs are exported at all."""

    endpoint: Annotated[Line, Since("4.0")] = ""
    """Where logs are sent, as an HTTP or HTTPS URL."""

    max_event_message_size: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The longest line that is exported; longer ones are cut."""

    max_request_bandwidth: Annotated[int, Unit("kbit/s"), Hidden(), Since("4.0")] = 0
    """The most bandwidth that the export uses; 0 sets no limit."""

    max_request_size: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The largest request that the export sends."""

    max_response_size: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """The largest answer of the service that is read."""

    maximum_error_raising_period: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """The longest time between two reports of an export that keeps failing."""

    minimum_error_raising_period: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """The shortest time between two reports of an export that keeps failing."""

    request_timeout: Annotated[Count, Unit("s"), Since("4.0")] = 30
    """How long the service may take over one request; 0 waits for ever."""

    tls_verify: Annotated[bool, Since("4.0")] = True
    """Whether the service's certificate is checked."""


class PeriodicLog(Section):
    """Regular snapshots of the machine's state, kept for support."""

    enabled: Annotated[bool, Hidden(), Since("4.0")] = False
    """Whether snapshots are taken."""

    interval: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How often a snapshot is taken."""

    max_archive_set_size: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """How much room archives of snapshots may take."""

    max_log_set_size: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """How much room snapshots may take before they are put into an archive."""

    max_num_archives: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many archives are kept."""

    run_count: Annotated[int, Hidden(), Since("4.0")] = 0
    """How many snapshots go into one archive."""


class TransactionExport(Section):
    """Export of a record of each transaction to an analytics service."""

    auto_brief: Annotated[int, Unit("per second"), Hidden(), Since("4.0")] = 0
    """The rate of transactions above which records are shortened by themselves."""

    enabled: Annotated[bool, Since("4.0")] = False
    """Whether records are exported, for virtual servers that ask for it."""

    endpoint: Annotated[Line, Since("4.0")] = ""
    """Where records are sent, as `host:port`."""

    failure_interval: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """The least time between two reports of an export that keeps failing."""

    memory: Annotated[int, Unit("bytes"), Hidden(), Since("4.0")] = 0
    """Memory for records that wait to be sent."""

    reconnect_interval: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long after a lost connection the next one is tried."""

    tls: Annotated[bool, Since("4.0")] = True
    """Whether records are sent over TLS."""

    tls_timeout: Annotated[int, Unit("s"), Hidden(), Since("4.0")] = 0
    """How long the TLS handshake may take."""

    tls_verify: Annotated[bool, Since("4.0")] = True
    """Whether the service's certificate is checked."""
