"""Counters of the caches: web content, TLS sessions, and one for each way of session persistence.

Invariant: lookups are hits and misses together.
"""

from __future__ import annotations

from pointsman.schema.counter.declaration import Counter, StatisticType, gauge, total

_LOOKUPS = (
    gauge("hit_rate", "Share of the lookups that found something.", "%"),
    total("hits", "Lookups that found something."),
    total("lookups", "Lookups."),
    total("misses", "Lookups that found nothing."),
    gauge("oldest", "Age of the oldest entry.", "s"),
)

_SIZE = (
    gauge("entries", "Entries held."),
    gauge("entries_max", "Entries that there is room for."),
)

_EXPIRIES = (total("expiries", "Entries dropped because they had not been used for too long."),)


def _cache(name: str, help: str, *counters: Counter) -> StatisticType:
    found = sorted((*_LOOKUPS, *counters), key=lambda counter: counter.name)
    return StatisticType(path=f"cache/{name}", per_object=False, help=help, counters=tuple(found))


ASP_SESSIONS = _cache("asp_session_cache", "Sessions of ASP, remembered for persistence.", *_SIZE)
IP_SESSIONS = _cache("ip_session_cache", "Sessions by client address.", *_SIZE, *_EXPIRIES)
J2EE_SESSIONS = _cache("j2ee_session_cache", "Sessions of J2EE.", *_SIZE, *_EXPIRIES)
SSL_HANDSHAKES = _cache("ssl_cache", "TLS sessions that clients can resume.", *_SIZE)
SSL_SESSIONS = _cache("ssl_session_cache", "Sessions by TLS session identifier, for persistence.", *_SIZE)
UNIVERSAL_SESSIONS = _cache("uni_session_cache", "Sessions by a rule's key.", *_SIZE, *_EXPIRIES)

WEB = _cache(
    "web_cache",
    "Web content.",
    gauge("entries", "Documents held."),
    gauge("max_entries", "Documents that there is room for."),
    gauge("mem_maximum", "Memory that the cache may use.", "kB"),
    gauge("mem_used", "Memory in use.", "kB"),
    gauge("url_store_allocated", "Memory in use for URLs.", "bytes"),
    gauge("url_store_free", "Memory free for URLs.", "bytes"),
    gauge("url_store_size", "Memory for URLs.", "bytes"),
    total("url_store_total_allocations", "URLs stored."),
    total("url_store_total_failures", "URLs for which there was no room."),
    total("url_store_total_frees", "URLs removed."),
)
