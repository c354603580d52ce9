"""Fetches a small document from another machine: the only HTTP client of the product's services.

Invariant: an answer comes, or `FetchFailed`, within the policy's time and in memory of about its size, whatever the
other side does; the connection goes to the very address that was found permitted; what a URL holds of credentials
stands in no message.

The environment's proxies are not used: through one, the address that is checked would not be the one that is asked, and
a licence usually lies with its issuer or on a machine nearby. Authorities are the system's (SSL_CERT_FILE and
SSL_CERT_DIR count), and the ones that come with the client where a system has none.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from pointsman.outbound.policy import Policy, Redirects

_HEADERS = {"user-agent": "pointsman", "accept": "*/*", "accept-encoding": "identity", "connection": "close"}
_REDIRECTED = frozenset({301, 302, 303, 307, 308})
_MOST_ADDRESSES = 4
_URL = re.compile(r"([A-Za-z][\w+.-]*://)?([^/?#]*)([^?#]*)(.*)", re.DOTALL)
_T = TypeVar("_T")


class FetchFailed(Exception):
    """Why there is no answer; the text names the URL, without credentials, and the cause."""

    def __init__(self, url: str, cause: str) -> None:
        super().__init__(f"{shown(url)}: {cause}")
        self.cause = cause


@dataclass(frozen=True)
class Try:
    """A try that failed: the `number`th (from 1) of `tries`; the next one comes after `wait` seconds."""

    number: int
    tries: int
    cause: str
    wait: float

    def __str__(self) -> str:
        return f"try {self.number} of {self.tries}: {self.cause}; the next in {self.wait:.0f} s"


class _Failed(Exception):
    """One try failed; `lasting` when another would fail alike."""

    def __init__(self, cause: str, *, lasting: bool = False) -> None:
        super().__init__(cause)
        self.lasting = lasting


async def fetch(url: str, policy: Policy, on_try: Callable[[Try], None] | None = None) -> bytes:
    """The body that a GET of `url` answers with. Raises `FetchFailed`.

    `on_try` is told of each failed try that another one follows.
    """
    tries = len(policy.starts) + 1
    cause = "no try was made"
    try:
        target = _parse(url, policy)
        context = await asyncio.to_thread(_trusted)
        begun = asyncio.get_running_loop().time()
        async with asyncio.timeout(policy.total_seconds):
            for number, following in enumerate((*policy.starts, None), 1):
                try:
                    return await _within(policy.try_seconds, _attempt(target, policy, context))
                except _Failed as failed:
                    cause = str(failed)
                    if failed.lasting:
                        raise
                if following is not None:
                    wait = max(0.0, begun + following - asyncio.get_running_loop().time())
                    if on_try is not None:
                        on_try(Try(number, tries, cause, wait))
                    await asyncio.sleep(wait)
    except _Failed as failed:
        raise FetchFailed(url, str(failed)) from None
    except TimeoutError:
        raise FetchFailed(url, f"{cause}; gave up after {policy.total_seconds:g} s") from None
    raise FetchFailed(url, f"{cause}; gave up after {tries} tries" if tries > 1 else cause)


def shown(url: str) -> str:
    """The URL as messages may show it: without user, password, query and fragment, in printable characters."""
    text = "".join(character if character.isprintable() else "_" for character in url[:2000])
    parts = _URL.fullmatch(text)
    assert parts is not None, "the expression fits everything"
    scheme, authority, path, query = parts.groups(default="")
    _, at, host = authority.rpartition("@")
    if not at and re.search(r":(?!\d*$)", re.sub(r"^\[.*\]", "", host)):
        # No port can be read here: perhaps a password that holds what ends a host's name.
        return f"{scheme}***"
    shortened = f"{scheme}{'***@' if at else ''}{host}{path}"
    return (shortened if len(shortened) <= 300 else shortened[:300] + "...") + ("?***" if query else "")


def _parse(url: str, policy: Policy) -> httpx.URL:
    permitted = " or ".join(f"{scheme}://" for scheme in policy.schemes)
    parsed = _sound(url)
    if parsed is None:
        raise _Failed(f"this is not a URL; give one that begins with {permitted}", lasting=True)
    if parsed.scheme not in policy.schemes:
        raise _Failed(f"only {permitted} is fetched; give such a URL", lasting=True)
    if not parsed.host:
        raise _Failed("the URL names no host; complete it", lasting=True)
    return parsed


def _sound(text: str, base: httpx.URL | None = None) -> httpx.URL | None:
    """The URL that a text is (relative to `base`), or None; the client itself knows no largest port, and no zones."""
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError):
        return None
    return url if 0 < (url.port or 80) < 65_536 and "%" not in url.host else None


async def _attempt(url: httpx.URL, policy: Policy, context: ssl.SSLContext) -> bytes:
    answer = await _get(url, policy, context)
    if isinstance(answer, bytes):
        return answer
    # One redirect at most: it leads to https, and from there no further.
    answer = await _get(answer, policy, context)
    assert isinstance(answer, bytes)
    return answer


async def _get(url: httpx.URL, policy: Policy, context: ssl.SSLContext) -> bytes | httpx.URL:
    addresses = await _addresses(url, policy)
    cause = _Failed("no address")
    for address in addresses:
        try:
            return await _get_at(address, url, policy, context)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            cause = _Failed(_why_not_connected(error, address, url), lasting=_untrusted(error) is not None)
        except httpx.InvalidURL:
            # The client looks at redirects also where it does not follow them.
            raise _no_url() from None
        except httpx.TimeoutException:
            raise _Failed("timed out: the server sent nothing for too long") from None
        except httpx.RemoteProtocolError as error:
            raise _Failed(f"the server broke off or does not speak HTTP ({error})") from None
        except httpx.HTTPError as error:
            raise _Failed(f"the connection broke ({type(error).__name__})") from None
    raise cause


async def _get_at(address: str, url: httpx.URL, policy: Policy, context: ssl.SSLContext) -> bytes | httpx.URL:
    timeout = httpx.Timeout(policy.read_seconds, connect=policy.connect_seconds)
    headers = _HEADERS | {"host": url.netloc.decode("ascii")}
    login = httpx.BasicAuth(url.username, url.password) if url.userinfo else None
    # The name is looked up here and nowhere else: the client gets the address, TLS and the Host header get the name.
    there = url.copy_with(host=address, username=None, password=None, fragment=None)
    async with (
        httpx.AsyncClient(verify=context, timeout=timeout, trust_env=False, follow_redirects=False) as client,
        client.stream(
            "GET",
            there,
            headers=headers,
            auth=login,
            extensions={"sni_hostname": url.raw_host.decode("ascii")},
        ) as response,
    ):
        if response.status_code in _REDIRECTED:
            return _redirected(url, response, policy)
        if response.status_code != httpx.codes.OK:
            raise _Failed(f"the server answered {response.status_code} {_phrase(response)}".rstrip())
        return await _body(response, policy.size_limit)


async def _body(response: httpx.Response, limit: int) -> bytes:
    too_large = _Failed(f"the answer is larger than {limit} bytes, which is the most", lasting=True)
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        # Nothing is ever unpacked, so that a small answer cannot become a large one.
        raise _Failed(
            "the server packed the answer, which was not asked for; serve it as it is", lasting=True
        )
    announced = response.headers.get("content-length", "")
    if announced.isdigit() and (len(announced) > 18 or int(announced) > limit):
        raise too_large
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) > limit:
            raise too_large
    return bytes(body)


def _redirected(url: httpx.URL, response: httpx.Response, policy: Policy) -> httpx.URL:
    if policy.redirects is Redirects.NONE:
        raise _Failed("the server redirects, which is not followed; give the final URL", lasting=True)
    target = _sound(response.headers.get("location", ""), url)
    if target is None:
        raise _no_url()
    if url.scheme != "http" or target.scheme != "https" or not target.host:
        raise _Failed(
            f"the server redirects to {shown(str(target))}; only one redirect from http to https is followed, "
            "give the final URL",
            lasting=True,
        )
    # `join` carries user and password along, also to another host, which must not get them.
    login = url.userinfo if target.host == url.host else b""
    name, _, password = login.decode("ascii").partition(":")
    return target.copy_with(username=name or None, password=password or None)


def _no_url() -> _Failed:
    return _Failed("the server redirects to what is not a URL; give the final one", lasting=True)


async def _addresses(url: httpx.URL, policy: Policy) -> tuple[str, ...]:
    """Addresses that may be asked, in the resolver's order."""
    host = url.host
    try:
        found = await _within(policy.connect_seconds, _look_up(host), f"looking up {host} takes too long")
    except (OSError, UnicodeError):
        raise _Failed(f"the name {host} does not resolve") from None
    permitted = [address for address in found if "%" not in address and policy.permits(address)]
    if not permitted:
        kinds = "link-local, multicast" if policy.private else "private, link-local, multicast"
        text = f"{host} is {found[0]}, which is never asked ({kinds} and the like); give another host"
        raise _Failed(text, lasting=True)
    return tuple(permitted[:_MOST_ADDRESSES])


async def _look_up(host: str) -> tuple[str, ...]:
    """The host's addresses. A thread of its own, because a pool's would hold up the end of the process."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[str, ...]] = loop.create_future()

    def settle(found: tuple[str, ...], error: Exception | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    def ask() -> None:
        found: tuple[str, ...] = ()
        problem: Exception | None = None
        try:
            rows = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found = tuple(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            problem = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, found, problem)

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    return await answer


async def _within(seconds: float, work: Awaitable[_T], cause: str = "") -> _T:
    """What `work` gives, if it comes in time. A limit of the caller's passes through untouched."""
    try:
        async with asyncio.timeout(seconds) as limit:
            return await work
    except TimeoutError:
        if limit.expired():
            raise _Failed(cause or f"timed out after {seconds:g} s") from None
        raise


def _trusted() -> ssl.SSLContext:
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and not _any_file(paths.capath):
        return httpx.create_ssl_context(trust_env=False)
    return ssl.create_default_context()


def _any_file(directory: str | None) -> bool:
    try:
        return directory is not None and any(Path(directory).iterdir())
    except OSError:
        return False


def _causes(error: BaseException) -> Iterable[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _untrusted(error: BaseException) -> ssl.SSLCertVerificationError | None:
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause
    return None


def _why_not_connected(error: httpx.TransportError, address: str, url: httpx.URL) -> str:
    port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    if isinstance(error, httpx.ConnectTimeout):
        return f"timed out: no connection to {address} port {port}"
    if (untrusted := _untrusted(error)) is not None:
        return (
            f"its TLS certificate is not trusted ({untrusted.verify_message}); add its authority to the system's, "
            "or name it in SSL_CERT_FILE"
        )
    for cause in _causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return f"refused: nothing listens at {address} port {port}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed ({cause.reason or 'the connection broke'})"
    return f"no connection to {address} port {port} ({error})"


def _phrase(response: httpx.Response) -> str:
    phrase = "".join(character for character in response.reason_phrase if character.isprintable())
    return phrase[:60]
