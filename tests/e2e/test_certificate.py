"""The certificate of a running instance: seen everywhere, replaced by the operator's own while it runs."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.certificates import self_signed
from tools.instance import SOURCE, Instance, wait_for

PLACE = "status/local_tm/certificate"


def presented(url: str, algorithm: str = "sha1") -> str:
    """The fingerprint of the certificate that a new connection meets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    parts = urlsplit(url)
    with (
        socket.create_connection((parts.hostname or "", parts.port or 443), 10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        der = secure.getpeercert(binary_form=True) or b""
    return hashlib.new(algorithm, der, usedforsecurity=False).digest().hex(":").upper()


def pointsman(instance: Instance, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointsman", *words, "--home", str(instance.home)]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_the_fingerprints_are_the_same_everywhere(instance: Instance) -> None:
    """R44, R46, R51: banner, REST, command line, ready file and the handshakes of REST and page agree."""
    sha1, sha256 = presented(instance.ready["ui"]), presented(instance.ready["ui"], "sha256")
    assert presented(instance.ready["rest"]) == sha1
    assert len(sha1.split(":")) == 20
    shown = instance.get(PLACE)["certificate"]
    assert (shown["sha1"], shown["sha256"]) == (sha1, sha256)
    assert shown["self_signed"]
    assert "BEGIN CERTIFICATE" in shown["public"]
    assert (instance.ready["sha1"], instance.ready["sha256"]) == (sha1, sha256)
    banner = instance.output.read_text()
    assert sha1 in banner
    assert sha256 in banner
    said = pointsman(instance, "certificate", "show").stdout
    assert f"SHA-1     {sha1}\n" in said
    assert f"SHA-256   {sha256}\n" in said
    tool = [sys.executable, "-m", "pointsman.provision.command", "cert", "-f", "fingerprint", "-in"]
    file = instance.home / "identity" / "admin.public"
    assert (
        subprocess.run([*tool, str(file)], capture_output=True, text=True, check=True).stdout == f"{sha1}\n"
    )


def test_another_one_is_used_by_the_next_connection(instance: Instance) -> None:
    """R51: replaced by the operator's own without a restart; a connection that is open goes on."""
    before = instance.processes()
    former = presented(instance.ready["rest"])
    parts = urlsplit(instance.ready["rest"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    kept = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=20, context=context)
    target = f"/api/tm/8.3/{PLACE}"
    headers = {"Authorization": f"Basic {base64.b64encode(b'admin:secret-for-tests').decode()}"}
    try:
        kept.request("GET", target, headers=headers)
        assert json.loads(kept.getresponse().read())["certificate"]["sha1"] == former
        socket_before = kept.sock
        public, private = self_signed("pm1.example")
        pair = {"public": public, "private": private}
        status, body = instance.rest("PUT", PLACE, pair)
        assert status == 200, body
        assert body["certificate"]["subject"] == "CN=pm1.example"
        assert (
            presented(instance.ready["rest"])
            == presented(instance.ready["ui"])
            == body["certificate"]["sha1"]
        )
        kept.request("GET", target, headers=headers)
        assert json.loads(kept.getresponse().read()) == body
        assert kept.sock is socket_before
    finally:
        kept.close()
    assert instance.processes() == before
    ready = instance.home / "ready.json"
    wait_for("the ready file", lambda: json.loads(ready.read_text())["sha1"] == body["certificate"]["sha1"])
    found = "status/local_tm/events?tag=certreplaced"
    (event,) = wait_for("the event is stored", lambda: instance.get(found)["events"])
    assert event["author"] == "admin"
    wrong = {"public": public, "private": self_signed("other.example")[1]}
    status, refusal = instance.rest("PUT", PLACE, wrong)
    assert (status, refusal["error_id"]) == (400, "certificate.refused")
    assert "does not belong to the certificate" in refusal["error_text"]
    bodies: tuple[object, ...] = (
        {},
        {"public": public},
        {**pair, "more": ""},
        [],
        "x",
        {**pair, "private": 7},
    )
    for bad in bodies:
        assert instance.rest("PUT", PLACE, bad)[0] == 400, bad
    assert instance.rest("DELETE", PLACE)[0] == 403
    assert instance.rest("POST", PLACE, {})[0] == 405
    assert presented(instance.ready["rest"]) == body["certificate"]["sha1"]


def test_the_command_replaces_it_too(instance: Instance, tmp_path: Path) -> None:
    public, private = tmp_path / "own.pem", tmp_path / "own.key"
    texts = self_signed("cli.example")
    public.write_text(texts[0])
    private.write_text(texts[1])
    words = ("certificate", "replace", "--public", str(public), "--private")
    ended = pointsman(instance, *words, str(private))
    assert ended.returncode == 0, ended.stderr
    assert "CN=cli.example" in ended.stdout
    assert presented(instance.ready["ui"]) in ended.stdout
    refused = pointsman(instance, *words, str(public))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "not readable PEM" in refused.stderr
    missing = pointsman(instance, *words, str(tmp_path / "none"))
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    sha1 = presented(instance.ready["rest"])
    url = instance.ready["rest"].removesuffix("/api/tm/8.3")
    far = [sys.executable, "-m", "pointsman", "certificate", "show", "--url", url, "--fingerprint", sha1]
    said = subprocess.run(
        [*far, "--password-file", str(instance.password_file)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    ).stdout
    assert sha1 in said


def test_a_death_in_the_middle_leaves_one_pair_whole(instance: Instance) -> None:
    """R51: whenever it is killed while the certificate is replaced, the next start has the old pair or the new one."""
    pairs = [self_signed(f"pm{number}.example") for number in range(2)]
    known = {presented(instance.ready["rest"])}
    for number in range(6):
        public, private = pairs[number % 2]

        def replace(public: str = public, private: str = private) -> None:
            try:
                instance.rest("PUT", PLACE, {"public": public, "private": private})
            except (OSError, http.client.HTTPException):
                return  # it died on the way

        asking = threading.Thread(target=replace)
        asking.start()
        asking.join(0.004 * number)
        (control,) = instance.processes()["control"]
        os.kill(control, signal.SIGKILL)
        asking.join(20)
        wait_for("it answers again", lambda: _answers(instance), 30)
        known |= {
            hashlib.sha1(ssl.PEM_cert_to_DER_cert(public), usedforsecurity=False).digest().hex(":").upper()
        }
        assert presented(instance.ready["rest"]) in known
        names = {path.name for path in (instance.home / "identity").iterdir()}
        assert not names & {"admin.staged", "admin.loading"}


def _answers(instance: Instance) -> bool:
    try:
        return instance.rest("GET", PLACE)[0] == 200
    except (OSError, http.client.HTTPException):
        return False
