"""Somebody who uses the pages without JavaScript: follows links, fills in forms as a browser would send them.

Invariant: a form is sent with what the page holds, but for what the test fills in, so hidden fields and tokens are the
page's own.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

import httpx
from tools.instance import Instance

PASSWORD = "secret-for-tests"


@dataclass
class Form:
    """A form as it lies in a page: its fields with their values, and its buttons."""

    action: str
    method: str
    multipart: bool = False
    fields: list[tuple[str, str]] = field(default_factory=list)
    boxes: list[tuple[str, str]] = field(default_factory=list)
    """Check boxes without a tick."""
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def names(self) -> set[str]:
        """Every field that can be filled in."""
        return {name for name, _ in [*self.fields, *self.boxes]}

    def filled(self, changes: dict[str, str | list[str] | None]) -> list[tuple[str, str]]:
        """The fields with some values replaced; None leaves a field out, as a box without a tick is."""
        known = [(name, value) for name, value in self.fields if name not in changes]
        for name, value in changes.items():
            values = [] if value is None else [value] if isinstance(value, str) else value
            known += [(name, one) for one in values]
        return known


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._select: tuple[str, list[tuple[str, bool]]] | None = None
        self._area: list[str] | None = None
        self._area_name = ""
        self._disabled = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            multipart = "multipart" in found.get("enctype", "")
            self._form = Form(found.get("action", ""), found.get("method", "get").lower(), multipart)
            self.forms.append(self._form)
        elif tag == "fieldset":
            self._disabled += "disabled" in found
        elif self._form is None or self._disabled:
            return
        elif tag == "input" and found.get("name"):
            self._input(self._form, found)
        elif tag == "select":
            self._select = (found.get("name", ""), [])
        elif tag == "option" and self._select is not None:
            self._select[1].append((found.get("value", ""), "selected" in found))
        elif tag == "textarea":
            self._area, self._area_name = [], found.get("name", "")
        elif tag == "button" and found.get("type", "submit") == "submit":
            self._form.buttons.append((found.get("name", ""), found.get("value", "")))

    def _input(self, form: Form, found: dict[str, str]) -> None:
        pair = (found["name"], found.get("value", ""))
        match found.get("type", "text"):
            case "checkbox" | "radio":
                (form.fields if "checked" in found else form.boxes).append(pair)
            case "file" | "submit":
                pass
            case _:
                form.fields.append(pair)

    def handle_data(self, data: str) -> None:
        if self._area is not None:
            self._area.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "fieldset":
            self._disabled = max(0, self._disabled - 1)
        elif tag == "select" and self._select is not None and self._form is not None:
            name, options = self._select
            chosen = next(
                (value for value, selected in options if selected), options[0][0] if options else ""
            )
            self._form.fields.append((name, chosen))
            self._select = None
        elif tag == "textarea" and self._area is not None and self._form is not None:
            # A line break right after the tag is not part of the text; browsers send CR LF.
            text = "".join(self._area).removeprefix("\n").replace("\n", "\r\n")
            self._form.fields.append((self._area_name, text))
            self._area = None


def forms_of(page: str) -> list[Form]:
    """The forms of a page."""
    parser = _Forms()
    parser.feed(page)
    return parser.forms


class Reader:
    """A browser without JavaScript, logged in or not."""

    def __init__(self, instance: Instance) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.client = httpx.Client(
            base_url=instance.ready["ui"], verify=context, timeout=30, follow_redirects=True
        )

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.close()

    def log_in(self, user: str = "admin", password: str = PASSWORD, path: str = "/") -> httpx.Response:
        """Logs in by the form of wherever `path` leads."""
        page = self.client.get(path)
        form = next(form for form in forms_of(page.text) if form.action == "/login")
        return self.send(page, form, {"username": user, "password": password})

    def get(self, path: str) -> httpx.Response:
        """A page."""
        return self.client.get(path)

    def form(self, page: httpx.Response, action: str, holding: str = "") -> Form:
        """The form of a page that leads to `action` (without fragment), and has a field `holding`."""
        there = [form for form in forms_of(page.text) if form.action.partition("#")[0] == action]
        found = [form for form in there if not holding or holding in form.names()]
        assert found, f"no form to {action}: {[form.action for form in forms_of(page.text)]}"
        return found[0]

    def send(
        self,
        page: httpx.Response,
        form: Form,
        changes: dict[str, str | list[str] | None] | None = None,
        button: tuple[str, str] = ("", ""),
        files: dict[str, tuple[str, bytes]] | None = None,
    ) -> httpx.Response:
        """Fills in a form and sends it by a button; follows where it leads."""
        pairs = form.filled(changes or {}) + ([button] if button[0] else [])
        address = urljoin(str(page.url), form.action.partition("#")[0] or urlsplit(str(page.url)).path)
        if form.method == "get":
            return self.client.get(f"{address}?{urlencode(pairs)}")
        if form.multipart:
            given = files or {"file": ("", b"")}
            return self.client.post(address, data=dict(pairs), files=given)
        body = urlencode(pairs).encode()
        return self.client.post(
            address, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"}
        )
