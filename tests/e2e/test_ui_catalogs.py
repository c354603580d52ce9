"""The catalogues by their pages: certificates from upload to a client's handshake, authorities, rules and versions."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from tests.certificates import Authority, key_pem_of, pem_of, self_signed
from tests.e2e.reader import Reader, forms_of
from tools.instance import Instance, free_port, wait_for

HOSTILE = "<script>alert(1)</script>"
ROOT = Authority.make("Example Root")
MIDDLE = Authority.make("Example Issuing CA", ROOT)
SERVERS = "/catalogs/ssl/server-certificates"
RULES = "/catalogs/rules"


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    """One traffic manager for all tests here."""
    with Instance(tmp_path_factory.mktemp("catalogs") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def reader(instance: Instance) -> Iterator[Reader]:
    """Somebody without JavaScript who is logged in as the administrator."""
    with Reader(instance) as reader:
        assert reader.log_in().status_code == 200
        yield reader


def served(port: int, host: str) -> str:
    """The common name of the certificate that a client gets that asks for a host, after checking the chain."""
    context = ssl.create_default_context(cadata=pem_of(ROOT.certificate))
    with (
        socket.create_connection(("127.0.0.1", port), 5) as plain,
        context.wrap_socket(plain, server_hostname=host) as encrypted,
    ):
        subject = dict(pair[0] for pair in encrypted.getpeercert()["subject"])  # type: ignore[index,misc]
        return str(subject["commonName"])


def test_a_certificate_from_upload_to_handshake_and_renewal(reader: Reader, instance: Instance) -> None:
    certificate, key = MIDDLE.sign("shop.example", ["shop.example", "*.shop.example"], 90)
    sealed = pkcs12.serialize_key_and_certificates(
        b"x", key, certificate, None, BestAvailableEncryption(b"secret")
    )
    page = reader.get(f"{SERVERS}/-/new")
    form = reader.form(page, f"{SERVERS}/-/new")
    files = {"file": ("all.p12", sealed)}
    refused = reader.send(page, form, {"name": "shop", "passphrase": "wrong-one"}, files=files)
    assert refused.status_code == 400
    assert "does not open the PKCS#12" in refused.text
    assert "wrong-one" not in refused.text
    made = reader.send(page, form, {"name": "shop", "passphrase": "secret"}, files=files)
    assert "The certificate shop was uploaded." in made.text
    assert "probably an intermediate certificate is missing" in made.text
    assert "PRIVATE KEY" not in made.text

    # Given to a virtual server, and answered by it.
    port = free_port()
    basic = {"enabled": True, "port": port, "pool": "discard"}
    assert instance.put("virtual_servers", "web", {"basic": basic})[0] == 201
    page = reader.get(f"{SERVERS}/shop/use")
    used = reader.send(
        page, reader.form(page, f"{SERVERS}/shop/use"), {"server": "web", "how": "default"}, ("act", "apply")
    )
    assert "web presents the certificate shop now." in used.text

    # Replaced by one with its chain, in the wrong order, for the same key: what changes is shown first.
    renewed, _ = MIDDLE.sign("shop.example", ["shop.example"], 200, key)
    page = reader.get(f"{SERVERS}/shop/replace")
    text = pem_of(ROOT.certificate, MIDDLE.certificate, renewed)
    asked = reader.send(page, reader.form(page, f"{SERVERS}/shop/replace"), {"text": text})
    assert "they were put right" in asked.text
    assert "does not hold *.shop.example." in asked.text
    assert "The private key stays." in asked.text
    before = instance.get("config/active/ssl/server_keys/shop")
    assert instance.get("config/active/ssl/server_keys/shop") == before
    done = reader.send(asked, next(form for form in forms_of(asked.text) if form.action.endswith("/apply")))
    assert "The certificate shop was replaced" in done.text
    assert wait_for("the new chain is served", lambda: served(port, "shop.example")) == "shop.example"

    # A second one, for names of its own, by the editor of the map.
    other, other_key = MIDDLE.sign("api.example", ["api.example"], 20)
    page = reader.get(f"{SERVERS}/-/new")
    text = pem_of(other, MIDDLE.certificate) + key_pem_of(other_key)
    reader.send(page, reader.form(page, f"{SERVERS}/-/new"), {"name": "api", "text": text})
    page = reader.get("/catalogs/ssl/sni/web")
    row = "ssl.server_cert_host_mapping#0"
    changed = reader.send(
        page,
        reader.form(page, "/catalogs/ssl/sni/web"),
        {f"{row}.host": "api.example", f"{row}.certificate": "api"},
        ("act", "apply"),
    )
    assert "The certificates of web were changed." in changed.text
    assert wait_for("both are served", lambda: served(port, "api.example") == "api.example")
    assert served(port, "shop.example") == "shop.example"
    for host, said in (
        ("api.example", "the entry for api.example"),
        ("x.example", "it does not hold this name"),
    ):
        assert said in reader.get(f"/catalogs/ssl/sni?host={host}").text
    assert "expires soon" in reader.get("/catalogs/ssl").text
    assert "in 19 days; have it renewed" in reader.get(f"{SERVERS}/api").text
    assert "It is in use" in reader.get(f"{SERVERS}/shop").text


def test_a_request_is_signed_and_comes_back(reader: Reader, instance: Instance) -> None:
    page = reader.get(f"{SERVERS}/-/generate")
    form = reader.form(page, f"{SERVERS}/-/generate")
    fields: dict[str, str | list[str] | None] = {
        "name": "own",
        "names": "own.example\nbad name!",
        "days": "30",
    }
    refused = reader.send(page, form, fields)
    assert refused.status_code == 400
    assert "is no host name" in refused.text
    made = reader.send(page, form, {**fields, "names": "own.example", "also": "request"})
    assert "The certificate own was made." in made.text
    pem = reader.get(f"{SERVERS}/own/download?what=request").text
    stored = instance.get("config/active/ssl/server_keys/own")["properties"]["basic"]
    signed = MIDDLE.sign_request(pem)
    page = reader.get(f"{SERVERS}/own/replace")
    assert "A request was made here" in page.text
    form = reader.form(page, f"{SERVERS}/own/replace")
    stranger = reader.send(page, form, {"text": self_signed("stranger.example")[0]})
    assert "does not belong to the key that is stored here" in stranger.text
    itself = reader.send(page, form, {"text": pem})
    assert "Send it to your certificate authority, and here what that signs" in itself.text
    files = {"file": ("signed.pem", pem_of(signed, MIDDLE.certificate).encode())}
    asked = reader.send(page, form, files=files)
    reader.send(asked, next(form for form in forms_of(asked.text) if form.action.endswith("/apply")))
    after = instance.get("config/active/ssl/server_keys/own")["properties"]["basic"]
    assert after["private"] == stored["private"]
    assert after["public"] == pem_of(signed, MIDDLE.certificate)
    assert reader.get(f"{SERVERS}/own/download?what=certificate").text == pem_of(signed)
    page = reader.get(f"{SERVERS}/-/new?based_on=own")
    copied = reader.send(page, reader.form(page, f"{SERVERS}/-/new"), {"name": "copy"})
    assert "The certificate copy was copied from own." in copied.text
    assert instance.get("config/active/ssl/server_keys/copy")["properties"]["basic"] == after
    page = reader.get(f"{SERVERS}/own/request")
    again = reader.send(page, reader.form(page, f"{SERVERS}/own/request"), {"names": "new.example"})
    assert "The request was made." in again.text
    assert reader.get(f"{SERVERS}/own/download?what=request").text != pem


def test_hostile_subjects_are_text(reader: Reader) -> None:
    certificate, key = Authority.make(HOSTILE).sign(HOSTILE, ["a.example"])
    page = reader.get(f"{SERVERS}/-/new")
    text = pem_of(certificate) + key_pem_of(key)
    reader.send(page, reader.form(page, f"{SERVERS}/-/new"), {"name": HOSTILE, "text": text})
    address = re.search(rf'href="({SERVERS}/%3C[^"]*)"', reader.get(SERVERS).text)
    assert address is not None
    for path in (
        "/catalogs",
        "/catalogs/ssl",
        SERVERS,
        address[1],
        f"{address[1]}/replace",
        f"{address[1]}/use",
    ):
        found = reader.get(path)
        assert found.status_code == 200
        assert HOSTILE not in found.text


def test_authorities_are_split_or_kept_together(reader: Reader, instance: Instance) -> None:
    path = "/catalogs/ssl/certificate-authorities"
    page = reader.get(f"{path}/-/new")
    form = reader.form(page, f"{path}/-/new")
    both = pem_of(ROOT.certificate, MIDDLE.certificate)
    assert "Give it a name." in reader.send(page, form, {"text": both}).text
    kept = reader.send(page, form, {"text": both, "name": "ours"})
    assert "Example Issuing CA" in kept.text
    each = reader.send(page, form, {"how": "each"}, files={"file": ("ca.pem", both.encode())})
    assert "2 certificate authorities were stored." in each.text
    assert instance.rest("GET", "config/active/ssl/cas/Example%20Root")[1].decode() == pem_of(
        ROOT.certificate
    )


def test_a_rule_is_written_checked_and_brought_back(reader: Reader, instance: Instance) -> None:
    page = reader.get(f"{RULES}/-/new")
    form = reader.form(page, f"{RULES}/-/new")
    checked = reader.send(page, form, {"name": "r", "text": "log.info( 1"}, ("act", "check"))
    assert "is never closed" in checked.text
    assert instance.rest("GET", "config/active/rules/r")[0] == 404
    first = "# Says hello.\nlog.info( 'hello' );\n"
    made = reader.send(page, form, {"name": "r", "text": first.replace("\n", "\r\n")}, ("act", "apply"))
    assert "The rule r was made." in made.text
    assert "Not run yet" in made.text
    assert instance.rest("GET", "config/active/rules/r") == (200, first.encode())
    second = f"# {HOSTILE}\nlog.inf( 1 )"
    form = reader.form(made, f"{RULES}/r", "text")
    saved = reader.send(made, form, {"text": second, "reason": "shorter"}, ("act", "apply"))
    assert "with 1 error" in saved.text
    assert "did you mean log.info?" in saved.text
    assert HOSTILE not in reader.get(RULES).text
    versions = reader.get(f"{RULES}/r/versions")
    assert "shorter" in versions.text
    numbers = re.findall(r'name="revision" value="(\d+)"', versions.text)
    compared = reader.get(f"{RULES}/r/versions?of={numbers[0]}")
    assert '<span class="minus">-log.info( &#39;hello&#39; );</span>' in compared.text
    form = reader.form(versions, f"{RULES}/r/versions")
    review = reader.send(versions, form, {}, ("revision", numbers[0]))
    assert "/changes/" in str(review.url)
    reader.send(review, next(form for form in forms_of(review.text) if form.action.endswith("/apply")))
    assert instance.rest("GET", "config/active/rules/r") == (200, first.encode())


def test_the_checker_answers_the_editor(reader: Reader) -> None:
    token = reader.form(reader.get(f"{RULES}/-/new"), f"{RULES}/-/new").filled({})[0][1]
    answer = reader.client.post(f"{RULES}/-/lint", data={"csrf": token, "text": "$a = 1\n$b"})
    assert [fault["line"] for fault in json.loads(answer.text)] == [1, 2]
    assert reader.client.post(f"{RULES}/-/lint", data={"text": "$a"}).status_code == 403
    language = reader.get(f"{RULES}/-/language")
    assert "http.getHeader" in {one["name"] for one in json.loads(language.text)["functions"]}


def test_a_monitor_is_tried_before_and_after_it_is_made(reader: Reader, instance: Instance) -> None:
    path = "/catalogs/monitors"
    types = reader.get(f"{path}/-/new")
    assert "TCP conversation" in types.text
    page = reader.get(f"{path}/-/new?type=tcp_transaction")
    form = reader.form(page, f"{path}/-/new")
    assert "tcp.response_regex" in form.names()
    assert "http.path" not in form.names()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        typed: dict[str, str | list[str] | None] = {
            "tcp.response_regex": "",
            "basic.timeout": "2",
            "target": target,
        }
        tried = reader.send(page, form, typed, ("act", "try"))
        assert "Well" in tried.text
        refused = reader.send(
            page, form, {**typed, "name": "mine", "tcp.response_regex": "("}, ("act", "apply")
        )
        assert refused.status_code == 400
        assert "is not a valid regular expression" in refused.text
        form = reader.form(tried, f"{path}/-/new")
        made = reader.send(tried, form, {"name": "mine", "tcp.write_string": "hi"}, ("act", "apply"))
        assert "Monitor mine was made." in made.text
        stored = instance.get("config/active/monitors/mine")["properties"]
        assert (stored["basic"]["type"], stored["tcp"]["write_string"]) == ("tcp_transaction", "hi")
        again = reader.send(made, reader.form(made, f"{path}/mine/try"), {"target": target})
        assert "Well" in again.text
    form = reader.form(again, f"{path}/mine/try")
    assert "Failed" in reader.send(again, form, {"target": f"127.0.0.1:{free_port()}"}).text
    for target, said in (
        ("169.254.169.254:80", "no address that a node can have"),
        ("nothing", "has no port"),
    ):
        assert said in reader.send(again, form, {"target": target}).text
    copied = reader.get(f"{path}/-/new?based_on=mine")
    assert ("tcp.write_string", "hi") in reader.form(copied, f"{path}/-/new").fields


def test_extra_files_lie_in_folders(reader: Reader, instance: Instance) -> None:
    path = "/catalogs/extra-files"
    page = reader.get(path)
    form = reader.form(page, path, "folder")
    sent = reader.send(page, form, {"folder": "errors/de"}, files={"file": ("busy.html", b"<b>busy</b>")})
    assert "errors/de/busy.html was stored." in sent.text
    assert instance.rest("GET", "config/active/extra_files/errors%2Fde%2Fbusy.html") == (200, b"<b>busy</b>")
    again = reader.send(page, form, {"folder": "errors/de"}, files={"file": ("busy.html", b"new")})
    assert "there already" in again.text
    reader.send(page, form, {"folder": "errors/de", "replace": "yes"}, files={"file": ("busy.html", b"new")})
    one = f"{path}/errors%2Fde%2Fbusy.html"
    assert reader.get(f"{one}/content").content == b"new"
    form = reader.form(reader.get(one), f"{one}/delete")
    assert "was deleted" in reader.send(reader.get(one), form, {"confirm": "yes"}).text
