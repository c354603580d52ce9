"""Asks another traffic manager over a connection whose certificate is known by its fingerprint, whoever signed it.

Invariant: when a fingerprint was given, nothing but a TLS handshake is sent to a server that shows another certificate;
what comes back is bounded in time and size.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ssl
from dataclasses import dataclass

import h11

CONNECT_SECONDS = 10.0
_CHUNK = 262_144
_LENGTHS = {40: "sha1", 64: "sha256"}


class PinnedFailed(Exception):
    """There is no connection or no answer; the text says where and why."""


class FingerprintDiffers(PinnedFailed):
    """The server showed another certificate than the one that was asked for; nothing was sent to it."""


@dataclass(frozen=True)
class Fingerprints:
    """SHA-1 and SHA-256 of a certificate, in upper-case hexadecimal bytes with colons."""

    sha1: str
    sha256: str

    @classmethod
    def of(cls, der: bytes) -> Fingerprints:
        """Those of a certificate in DER."""
        # SHA-1 is what people and the product's table know; SHA-256 stands beside it.
        sha1 = hashlib.sha1(der, usedforsecurity=False).digest()
        return cls(sha1.hex(":").upper(), hashlib.sha256(der).digest().hex(":").upper())


def read_fingerprint(text: str) -> str:
    """A fingerprint as people write it, in lower-case hexadecimal without colons. Raises `ValueError`."""
    plain = "".join(text.split()).replace(":", "").lower()
    if len(plain) not in _LENGTHS or any(character not in "0123456789abcdef" for character in plain):
        raise ValueError(
            "a fingerprint is 20 bytes (SHA-1) or 32 bytes (SHA-256) in hexadecimal, with or without colons"
        )
    return plain


class Pinned:
    """An open connection; ended by `close`."""

    def __init__(
        self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, der: bytes
    ) -> None:
        self.fingerprints = Fingerprints.of(der)
        self._where = where
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, host: str, port: int, fingerprint: str | None) -> Pinned:
        """Connects; `fingerprint` as `read_fingerprint` gives it, None to take whoever answers.

        Raises `FingerprintDiffers`, `PinnedFailed`.
        """
        where = f"{f'[{host}]' if ':' in host else host}:{port}"
        # The fingerprint is compared below, before a byte is sent; names and authorities do not count.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=1 << 20)
        except TimeoutError:
            raise PinnedFailed(f"{where} does not answer within {CONNECT_SECONDS:g} s") from None
        except (OSError, ValueError) as error:  # a host name that cannot be one is a ValueError
            cause = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise PinnedFailed(f"{where} cannot be reached ({cause})") from None
        wrapped: ssl.SSLObject = writer.get_extra_info("ssl_object")
        der = wrapped.getpeercert(binary_form=True) or b""
        if fingerprint is not None:
            found = hashlib.new(_LENGTHS[len(fingerprint)], der, usedforsecurity=False).hexdigest()
            if not hmac.compare_digest(found, fingerprint):
                writer.transport.abort()
                shown = found.upper()
                shown = ":".join(shown[i : i + 2] for i in range(0, len(shown), 2))
                raise FingerprintDiffers(
                    f"{where} has the fingerprint {shown}, not the one given; nothing was sent to it"
                )
        return cls(where, reader, writer, der)

    async def ask(
        self, method: str, path: str, body: bytes, *, seconds: float, limit: int
    ) -> tuple[int, bytes]:
        """Status and body of the answer to one request with a JSON body. Raises `PinnedFailed`."""
        headers = [("host", self._where), ("user-agent", "pointsman"), ("accept", "*/*")]
        if body:
            headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
        try:
            async with asyncio.timeout(seconds):
                data = self._http.send(h11.Request(method=method, target=path, headers=headers)) or b""
                if body:
                    data += self._http.send(h11.Data(data=body)) or b""
                self._writer.write(data + (self._http.send(h11.EndOfMessage()) or b""))
                await self._writer.drain()
                status, found = await self._answer(limit)
                self._http.start_next_cycle()
        except TimeoutError:
            raise PinnedFailed(f"{self._where} did not answer within {seconds:g} s") from None
        except OSError as error:
            raise PinnedFailed(f"{self._where} broke the connection ({error.strerror or error})") from None
        except h11.ProtocolError as error:
            raise PinnedFailed(f"{self._where} broke off, or does not speak HTTP ({error})") from None
        return status, found

    def close(self) -> None:
        """Ends the connection."""
        self._writer.transport.abort()

    async def _answer(self, limit: int) -> tuple[int, bytes]:
        status, body = 0, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > limit:
                    raise PinnedFailed(f"{self._where} answers with more than {limit} bytes")
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(body)
            elif isinstance(event, h11.ConnectionClosed):
                raise PinnedFailed(f"{self._where} closed the connection")
