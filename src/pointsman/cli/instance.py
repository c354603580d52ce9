"""A running instance as the local commands see it, over its control socket or over REST from elsewhere.

Invariant: both answer in the same JSON shapes (those of the control socket); what REST cannot tell is left
out and said so.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from pointsman.cli.outcome import Rejected, Unreachable
from pointsman.document.difference import Objects
from pointsman.document.wire import decode_problem, encode_objects
from pointsman.schema.problem import Problem

Json = dict[str, Any]
WAIT_SECONDS = 60.0


def export_query(form: str, secrets: str, differences: bool) -> dict[str, str]:
    """The arguments of an export, as the control socket and REST take them."""
    return {"format": form, "secrets": secrets, "differences": str(differences).lower()}


class Instance(Protocol):
    """What the commands need of an instance. Every call may raise `Unreachable` or `Rejected`."""

    def status(self) -> Json:
        """Services, pools and nodes as they are now."""

    def export(self, *, form: str, secrets: str, differences: bool) -> Json:
        """The configuration as a document: `text`, and where known what it does not say: `left_out`, `deleted`."""

    def diff(self, objects: Objects, *, replace: bool) -> Json:
        """What applying `objects` would change: `changes`, and where known `engine`, `act`, `reasons`."""

    def apply(self, objects: Objects, *, replace: bool, reason: str) -> Json:
        """Applies `objects` and waits until they are in force."""

    def certificate(self) -> Json:
        """The certificate that the instance presents, as REST shows it."""

    def replace_certificate(self, public: str, private: str) -> Json:
        """Has it present another one (PEM) from the next connection on; the new one, as REST shows it."""

    def names(self) -> Json:
        """What the traffic manager is called, and the addresses that could be its name."""

    def use_address(self, address: str) -> bool:
        """Has it called by an address, "" for its only one; whether its control plane restarts for that by itself."""


class LocalInstance:
    """The instance of a home directory on this machine."""

    def __init__(self, home: Path) -> None:
        self._home = home.resolve()
        self._socket = self._home / "run" / "control.sock"

    def status(self) -> Json:
        """See `Instance`; complete, with figures and reasons."""
        return self._ask("GET", "/status", None)

    def export(self, *, form: str, secrets: str, differences: bool) -> Json:
        """See `Instance`; with what the document does not say."""
        return self._ask("GET", f"/export?{urlencode(export_query(form, secrets, differences))}", None)

    def diff(self, objects: Objects, *, replace: bool) -> Json:
        """See `Instance`; with the engine's difference."""
        return self._ask("POST", "/diff", {"objects": encode_objects(objects), "replace": replace})

    def apply(self, objects: Objects, *, replace: bool, reason: str) -> Json:
        """See `Instance`; one transaction."""
        body = {
            "objects": encode_objects(objects),
            "replace": replace,
            "reason": reason,
            "wait": WAIT_SECONDS,
        }
        return self._ask("POST", "/apply", body)

    def certificate(self) -> Json:
        """See `Instance`."""
        found: Json = self._ask("GET", "/certificate", None)["certificate"]
        return found

    def replace_certificate(self, public: str, private: str) -> Json:
        """See `Instance`."""
        pair = {"public": public, "private": private}
        found: Json = self._ask("POST", "/certificate", pair)["certificate"]
        return found

    def names(self) -> Json:
        """See `Instance`."""
        return self._ask("GET", "/name", None)

    def use_address(self, address: str) -> bool:
        """See `Instance`."""
        return bool(self._ask("POST", "/name", {"address": address})["restarts"])

    def run_import(self, order: Json) -> Json:
        """Imports documents that the instance reads itself, or says what that would do; see `web.local.imports`."""
        seconds = 4 * WAIT_SECONDS + float(order.get("members", 0.0))
        return self._ask("POST", "/import", {**order, "wait": WAIT_SECONDS}, seconds)

    def import_state(self) -> Json:
        """The last import, what waits for a restart, and since when the control plane runs."""
        return self._ask("GET", "/import", None)

    def take_snapshot(self) -> Json:
        """Makes the present configuration the base snapshot."""
        return self._ask("POST", "/snapshot", {})

    def licence(self) -> Json:
        """The licence in force and every key, see `control.licence_report.LicenceView`."""
        return self._ask("GET", "/licence", None)

    def remove_licence(self, serial: str) -> Json:
        """Removes a licence key; what is in force then."""
        return self._ask("POST", "/licence/remove", {"serial": serial})

    def cluster(self) -> Json:
        """The members, see `cluster.view.ClusterView`."""
        return self._ask("GET", "/cluster", None)

    def superseded(self, limit: int) -> list[Json]:
        """The newest edits that lost to others of the same time, as REST shows them."""
        return list(self._ask("GET", f"/cluster/superseded?limit={limit}", None)["superseded"])

    def cluster_table(self, host: str, port: int) -> Json:
        """The admin servers of another cluster with their fingerprints."""
        return self._ask("POST", "/cluster/table", {"host": host, "port": port})

    def join_cluster(self, wish: Json) -> Json:
        """Joins; see `web.local.clusters`."""
        return self._ask("POST", "/cluster/join", wish)

    def fail_back(self) -> Json:
        """Has traffic IPs go back where they belong; every traffic IP then."""
        return self._ask("POST", "/traffic-ips/failback", {})

    def change_cluster(self, what: str, body: Json) -> Json:
        """Does `leave`, `remove` or `override`; the members then."""
        return self._ask("POST", f"/cluster/{what}", body)

    def users(self) -> list[Json]:
        """Every user, see `web.local.users`."""
        return list(self._ask("GET", "/users", None)["users"])

    def change_user(self, what: str, body: Json) -> None:
        """Does something with a user, see `web.local.users`."""
        self._ask("POST", "/password" if what == "password" else f"/users/{what}", body)

    def backups(self) -> Json:
        """Every backup, see `control.backup_report.kept_body`."""
        return self._ask("GET", "/backups", None)

    def schedule(self, wish: Json) -> Json:
        """The schedule of backups, after `wish` was set in it; see `control.backup_schedule`."""
        return self._ask("POST" if wish else "GET", "/backups/schedule", {"schedule": wish} if wish else None)

    def backup(self, act: str, name: str, **wish: Any) -> Json:
        """Does something with the backup of that name, see `web.local.backups`."""
        return self._ask("POST", f"/backups/{act}", {"name": name, **wish})

    def _ask(self, method: str, path: str, body: Json | None, seconds: float = 4 * WAIT_SECONDS) -> Json:
        try:
            # httpcore leaves its socket open when it cannot connect.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(self._socket))
            transport = httpx.HTTPTransport(uds=str(self._socket))
            with httpx.Client(transport=transport, base_url="http://local", timeout=seconds) as client:
                response = client.request(method, path, json=body)
                data = response.json()
        except httpx.TimeoutException:
            raise Unreachable(f"the instance at {self._socket} does not answer; see its log") from None
        except (httpx.TransportError, OSError) as error:
            cause = getattr(error, "strerror", None) or error
            raise Unreachable(f"no instance answers at {self._socket} ({cause}); {self._remedy()}") from None
        except ValueError:
            raise Unreachable(f"what answers at {self._socket} is not Pointsman; check --home") from None
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise Rejected(tuple(decode_problem(problem) for problem in data["problems"]))
        if response.status_code != httpx.codes.OK or not isinstance(data, dict):
            message = f"the instance answered {response.status_code}; see its log"
            raise Rejected((Problem(None, (), "instance.failed", message),))
        return data

    def _remedy(self) -> str:
        """What to do when nothing answers. In a container nobody runs `pointsman run`, and the home is known."""
        hold = self._home / "hold"
        zeus_home = os.environ.get("ZEUSHOME")
        if not zeus_home or self._home != Path(zeus_home, "var").resolve():
            if hold.exists():
                return f"it is kept stopped as long as the file {hold} is there"
            return "start it with `pointsman run` or name its --home"
        if hold.exists():
            return f"the software is stopped; start it with {Path(zeus_home, 'start-zeus')}"
        return "it is still starting, or cannot; see the container's log"
