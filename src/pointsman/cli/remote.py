"""A remote instance, through its REST API: what that API can tell and change.

Invariant: the password goes to a server only when its certificate is trusted by the system's authorities or
has the fingerprint that was given. REST changes one object at a time: a refusal in the middle leaves the
earlier ones applied, and says so.
"""

from __future__ import annotations

import hashlib
import ipaddress
import ssl
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import httpx

from pointsman.cli.instance import WAIT_SECONDS, Json, export_query
from pointsman.cli.outcome import Rejected, Unreachable
from pointsman.control.merge import secret_readback
from pointsman.document.difference import Objects, compare
from pointsman.document.secret_hash import refuse_hashes
from pointsman.document.wire import encode_changes, encode_identity
from pointsman.schema.problem import ObjectId, Problem
from pointsman.schema.registry import BY_PATH, RESOURCE_TYPES
from pointsman.schema.resource import Kind, ResourceType
from pointsman.schema.validate import Invalid

API = "/api/tm/8.3"
TIMEOUT = 30.0
POLL_SECONDS = 0.1
_HASHED = "is a hash, which REST does not compare; run this on the instance's machine, or write the secret"


class RemoteInstance:
    """The REST API at `url` (https://host:9070), as `user`."""

    def __init__(self, url: str, user: str, password: str, fingerprint: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Unreachable(f"--url {url}: is not a REST address; write one such as https://pm1:9070")
        if parts.scheme == "http" and not _is_loopback(parts.hostname):
            raise Unreachable(f"--url {url}: would send the password in clear; use https")
        self._base = f"{parts.scheme}://{parts.netloc}"
        verify: ssl.SSLContext | bool = True
        if fingerprint is not None and parts.scheme == "https":
            verify = _pinned(parts.hostname, parts.port or 443, fingerprint)
        self._client = httpx.Client(
            base_url=self._base, auth=(user, password), verify=verify, timeout=TIMEOUT
        )

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def status(self) -> Json:
        """See `Instance`; as far as REST tells: without nodes' reasons, figures and authors."""
        state = self._get(f"{API}/status/local_tm/state")["state"]
        information = self._get(f"{API}/status/local_tm/information")["information"]
        remarks = self._get(f"{API}/status/local_tm/conditions")
        dead = {(pool, failed["node"]) for failed in state["failed_nodes"] for pool in failed["pools"]}
        pools = [_pool(pool, dead, state["virtual_servers"]) for pool in state["pools"]]
        alive = {pool["name"]: pool["state"] == "active" for pool in pools}
        level = str(state["error_level"])
        return {
            "traffic_manager": urlsplit(self._base).hostname,
            "version": information["tm_version"],
            "level": level if level in ("ok", "warn", "error", "fatal") else "error",
            "sentence": "; ".join(state["errors"]) or "No errors are reported.",
            "revision": remarks["revision"],
            "in_force": remarks["in_force"],
            "services": [_service(service, alive) for service in state["virtual_servers"]],
            "pools": pools,
            "conditions": [
                {**c, "subject": encode_identity(_identity(c["object"]))} for c in remarks["conditions"]
            ],
            "engine": {},
        }

    def export(self, *, form: str, secrets: str, differences: bool) -> Json:
        """See `Instance`; the text alone."""
        query = urlencode(export_query(form, secrets, differences))
        response = self._ask("GET", f"{API}/status/local_tm/config_document?{query}")
        _expect(None, response)
        return {"text": response.text}

    def diff(self, objects: Objects, *, replace: bool) -> Json:
        """See `Instance`; without the engine's difference. Raises `Rejected` for `replace`, and for hashed secrets."""
        _refuse_replace(replace)
        try:
            refuse_hashes(objects, BY_PATH, _HASHED)
        except Invalid as error:
            raise Rejected(error.problems) from None
        before: dict[ObjectId, Mapping[str, Any]] = {}
        after: dict[ObjectId, Mapping[str, Any]] = {}
        for identity, settings in objects.items():
            stored = self._read(identity)
            kind = BY_PATH[identity.type]
            if stored is not None:
                before[identity] = stored
            after[identity] = settings if kind.kind is Kind.FILE else _overlay(kind, stored or {}, settings)
        return {"changes": encode_changes(compare(before, after, BY_PATH))}

    def apply(self, objects: Objects, *, replace: bool, reason: str) -> Json:
        """See `Instance`; object by object, what is referred to first. Raises `Rejected` for `replace`."""
        changes = self.diff(objects, replace=replace)["changes"]
        changed = {ObjectId(c["subject"]["type"], c["subject"]["name"]) for c in changes}
        order = {kind.path: position for position, kind in enumerate(_referred_to_first())}
        done: list[ObjectId] = []
        for identity in sorted(changed, key=lambda i: (order[i.type], i.name)):
            try:
                self._put(identity, objects[identity])
            except Rejected as error:
                if not done:
                    raise
                message = f"these were applied before the refusal: {', '.join(map(str, done))}"
                note = Problem(None, (), "remote.partly_applied", message)
                raise Rejected((*error.problems, note)) from None
            done.append(identity)
        revision, dealt_with, in_force = self._wait()
        conditions = [found for identity in objects for found in self._conditions(identity)]
        return {
            "revision": revision,
            "changes": changes,
            "conditions": conditions,
            "dealt_with": dealt_with,
            "in_force": in_force,
        }

    def certificate(self) -> Json:
        """See `Instance`."""
        found: Json = self._get(f"{API}/status/local_tm/certificate")["certificate"]
        return found

    def replace_certificate(self, public: str, private: str) -> Json:
        """See `Instance`."""
        pair = {"public": public, "private": private}
        response = self._ask("PUT", f"{API}/status/local_tm/certificate", json=pair)
        _expect(None, response)
        found: Json = response.json()["certificate"]
        return found

    def names(self) -> Json:
        """See `Instance`."""
        found: Json = self._get(f"{API}/status/local_tm/name")["name"]
        return found

    def use_address(self, address: str) -> bool:
        """See `Instance`."""
        response = self._ask("PUT", f"{API}/status/local_tm/name", json={"address": address})
        _expect(None, response)
        return bool(response.json()["restarts"])

    def _wait(self) -> tuple[int, bool, bool]:
        """Waits until the newest revision was dealt with: (revision, dealt with, in force)."""
        revision = self._revisions()[0]
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            if self._revisions()[1] >= revision:
                return revision, True, True
            applies = self._get(f"{API}/status/local_tm/applies")["applies"]
            if any(record["revision"] >= revision for record in applies):
                return revision, True, self._revisions()[1] >= revision
            time.sleep(POLL_SECONDS)
        return revision, False, False

    def _revisions(self) -> tuple[int, int]:
        found = self._get(f"{API}/status/local_tm/conditions")
        return int(found["revision"]), int(found["in_force"])

    def _read(self, identity: ObjectId) -> Mapping[str, Any] | None:
        response = self._ask("GET", _path(identity))
        if response.status_code == httpx.codes.NOT_FOUND:
            return None
        _expect(identity, response)
        if BY_PATH[identity.type].kind is Kind.FILE:
            return {"content": response.content}
        properties: Mapping[str, Any] = response.json()["properties"]
        return properties

    def _put(self, identity: ObjectId, settings: Mapping[str, Any]) -> None:
        if BY_PATH[identity.type].kind is Kind.FILE:
            headers = {"Content-Type": "application/octet-stream"}
            response = self._ask("PUT", _path(identity), content=settings["content"], headers=headers)
        else:
            response = self._ask("PUT", _path(identity), json={"properties": dict(settings)})
        _expect(identity, response)

    def _conditions(self, identity: ObjectId) -> list[Json]:
        found = self._get(_path(identity, f"{API}/status/local_tm/conditions"))["conditions"]
        return [{**condition, "subject": encode_identity(identity)} for condition in found]

    def _get(self, path: str) -> Json:
        response = self._ask("GET", path)
        _expect(None, response)
        data: Json = response.json()
        return data

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **options)
        except httpx.HTTPError as error:
            hint = "; name its --fingerprint" if "CERTIFICATE_VERIFY" in str(error) else "; check --url"
            raise Unreachable(f"{self._base} does not answer ({error}){hint}") from None
        if response.status_code == httpx.codes.UNAUTHORIZED:
            raise Unreachable(f"{self._base} refuses user and password; check --user and --password-file")
        return response


def _pinned(host: str, port: int, fingerprint: str) -> ssl.SSLContext:
    """A context that trusts exactly the certificate with this fingerprint. Raises `Unreachable`."""
    wanted = fingerprint.replace(":", "").lower()
    algorithm = {40: "sha1", 64: "sha256"}.get(len(wanted))
    if algorithm is None:
        raise Unreachable(
            "--fingerprint: must be 20 or 32 bytes in hexadecimal; copy it from the instance's start"
        )
    try:
        pem = ssl.get_server_certificate((host, port), timeout=TIMEOUT)
    except OSError as error:
        raise Unreachable(f"{host}:{port} does not answer ({error}); check --url") from None
    found = hashlib.new(algorithm, ssl.PEM_cert_to_DER_cert(pem), usedforsecurity=False).hexdigest()
    if found != wanted:
        shown = ":".join(found[i : i + 2] for i in range(0, len(found), 2)).upper()
        raise Unreachable(f"{host}:{port} has the fingerprint {shown}, not the one given; do not trust it")
    # The handshake that follows is checked against this very certificate, whoever answers it.
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _path(identity: ObjectId, base: str = f"{API}/config/active") -> str:
    return f"{base}/{identity.type}" + (f"/{quote(identity.name, safe='')}" if identity.name else "")


def _identity(text: str) -> ObjectId:
    """The object that REST writes as type and name with slashes."""
    for kind in RESOURCE_TYPES:
        if text.startswith(f"{kind.path}/"):
            return ObjectId(kind.path, text.removeprefix(f"{kind.path}/"))
    return ObjectId(text, "")


def _referred_to_first() -> list[ResourceType]:
    last = {"pools": 1, "virtual_servers": 2}
    return sorted(RESOURCE_TYPES, key=lambda kind: last.get(kind.path, 0))


def _refuse_replace(replace: bool) -> None:
    if replace:
        message = (
            "--replace needs one transaction, which REST does not offer; run it on the instance's machine"
        )
        raise Rejected((Problem(None, (), "remote.replace", message),))


def _overlay(
    kind: ResourceType, stored: Mapping[str, Any], settings: Mapping[str, Any]
) -> Mapping[str, Mapping[str, Any]]:
    merged = {section: dict(keys) for section, keys in stored.items()}
    for section, keys in settings.items():
        for name, value in keys.items():
            key = kind.key(section, name)
            held = stored.get(section, {}).get(name)
            hashed = key is not None and key.secret is not None and key.secret.readback == "hash"
            if hashed and held == secret_readback(value):
                continue
            merged.setdefault(section, {})[name] = value
    return merged


def _expect(identity: ObjectId | None, response: httpx.Response) -> None:
    """Raises `Rejected` for anything but success."""
    if response.is_success:
        return
    try:
        error = response.json()
        problems = tuple(_problems(identity, (), error.get("error_info", {})))
        text = str(error.get("error_text", ""))
    except (ValueError, AttributeError):
        problems, text = (), ""
    if not problems:
        message = f"the instance answered {response.status_code}: {text or 'without a reason'}"
        problems = (Problem(identity, (), "remote.refused", message),)
    raise Rejected(problems)


def _problems(identity: ObjectId | None, path: tuple[str, ...], info: Any) -> list[Problem]:
    if not isinstance(info, dict):
        return []
    if isinstance(info.get("error_text"), str):
        return [Problem(identity, path, str(info.get("error_id", "")), info["error_text"])]
    return [problem for name, inner in info.items() for problem in _problems(identity, (*path, name), inner)]


def _pool(pool: Json, dead: set[tuple[str, str]], services: list[Json]) -> Json:
    name = pool["name"]
    nodes = [
        {
            "node": node,
            "setting": setting,
            "state": "dead" if (name, node) in dead else state,
            "reason": "",
            "since": 0,
            "weight": "",
            "figures": {},
            "changed_by": "",
            "changed_at": 0,
        }
        for setting, state in (("active", "alive"), ("draining", "draining"), ("disabled", "disabled"))
        for node in pool[f"{setting}_nodes"]
    ]
    states = {node["state"] for node in nodes}
    users = [service["name"] for service in services if service["pool"] == name]
    neither = "without nodes" if users and not nodes else "unused"
    state = next((s for have, s in (("alive", "active"), ("dead", "dead")) if have in states), neither)
    return {
        "name": name,
        "state": state,
        "algorithm": "",
        "nodes": nodes,
        "monitors": [],
        "failure_pool": pool["failure_pool"],
        "figures": {},
        "conditions": [],
        "used_by": users,
    }


def _service(service: Json, alive: dict[str, bool]) -> Json:
    serving = alive.get(service["pool"], service["pool"] == "discard")
    return {
        "name": service["name"],
        "enabled": True,
        "serving": serving,
        "protocol": "",
        "port": service["port"],
        "pool": service["pool"],
        "reason": "" if serving else f'no node of pool "{service["pool"]}" can answer',
        "figures": {},
        "conditions": [],
    }
