"""Drives Debian's Firefox by Marionette, the protocol that is built into it: no driver has to be downloaded.

Invariant: Firefox runs with a profile of its own in a temporary directory and is ended by pid.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

from tools.instance import free_port, wait_for

FIREFOX = Path("/usr/bin/firefox-esr")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The name of an element's reference, of the WebDriver standard."""
_PREFERENCES = {
    "app.update.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,",
    "toolkit.telemetry.enabled": False,
}


class Firefox:
    """One headless Firefox that takes any certificate."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = 0

    def __enter__(self) -> Firefox:
        port = free_port()
        profile = self._directory / "profile"
        profile.mkdir()
        preferences = {**_PREFERENCES, "marionette.port": port}
        lines = [
            f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in preferences.items()
        ]
        (profile / "user.js").write_text("".join(lines))
        words = [
            str(FIREFOX),
            "--headless",
            "--marionette",
            "--no-remote",
            "--profile",
            str(profile),
            "about:blank",
        ]
        environment = {**os.environ, "HOME": str(self._directory), "MOZ_CRASHREPORTER_DISABLE": "1"}
        with (self._directory / "firefox.out").open("wb") as out:
            self._process = subprocess.Popen(words, stdout=out, stderr=out, env=environment)
        try:
            self._socket: socket.socket = wait_for("Firefox", lambda: self._connect(port), 60)
            self._read()  # it greets first
            self.do("WebDriver:NewSession", acceptInsecureCerts=True)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self._end()

    def do(self, command: str, **parameters: Any) -> Any:
        """Sends a command and gives its result; fails with what Firefox says when it refuses."""
        error, result = self._ask(command, parameters)
        assert error is None, (command, error)
        return result

    def _ask(self, command: str, parameters: dict[str, Any]) -> tuple[dict[str, Any] | None, Any]:
        self._number += 1
        text = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(text), text))
        _, number, error, result = self._read()
        assert number == self._number
        return error, result

    def open(self, address: str) -> None:
        """Goes to a page and waits until it is there."""
        self.do("WebDriver:Navigate", url=address)

    def find(self, selector: str) -> str:
        """Waits for an element and gives its reference."""
        self.do("WebDriver:SetTimeouts", implicit=15_000)
        found: dict[str, Any] = self.do("WebDriver:FindElement", using="css selector", value=selector)
        reference: str = found["value"][_ELEMENT]
        return reference

    def write(self, selector: str, text: str) -> None:
        """Types into a field."""
        self.do("WebDriver:ElementSendKeys", id=self.find(selector), text=text)

    def click(self, selector: str) -> None:
        """Clicks, and waits for the page that this leads to."""
        self.do("WebDriver:ElementClick", id=self.find(selector))

    def text(self, selector: str) -> str:
        """What an element shows."""

        def shown() -> tuple[str] | None:
            error, result = self._ask("WebDriver:GetElementText", {"id": self.find(selector)})
            if error is not None and error["error"] == "stale element reference":
                return None  # the page was replaced, or refreshed itself, since the element was found
            assert error is None, error
            return (result["value"],)

        (text,) = wait_for(f"the text of {selector}", shown)
        return str(text)

    def _connect(self, port: int) -> socket.socket | None:
        assert self._process.poll() is None, (self._directory / "firefox.out").read_text()
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError:
            return None

    def _read(self) -> Any:
        head = b""
        while not head.endswith(b":"):
            head += self._take(1)
        return json.loads(self._take(int(head[:-1])))

    def _take(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            piece = self._socket.recv(size - len(content))
            assert piece, "Firefox closed the connection"
            content += piece
        return content

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
