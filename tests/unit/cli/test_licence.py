"""`pointsman licence`: from an issuer to a running instance, and every way in which that is refused."""

from __future__ import annotations

import http.server
import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.licences import FINGERPRINT, STRANGER, licence_key
from tests.unit.cli.conftest import Answer, Instance

from pointsman.licence.incoming import dropped
from pointsman.licence.issuer import load_public
from pointsman.licence.key import Licence, read_key
from pointsman.licence.trust import Trust

Pointsman = Callable[..., Answer]


def make_issuer(pointsman: Pointsman, directory: Path) -> tuple[Path, Path]:
    """An issuer's private and public file."""
    done = pointsman("licence", "issuer", "new", "--directory", directory)
    assert done.status == 0
    assert "PRIVATE KEY" not in done.out + done.err
    return directory / "issuer.pem", directory / "issuer.pub"


def test_an_issuer_issues_what_it_says(tmp_path: Path, pointsman: Pointsman) -> None:
    """R62: whoever runs the product holds an issuer key and issues keys with our tool."""
    private, public = make_issuer(pointsman, tmp_path / "issuer")
    key = tmp_path / "example.key"
    done = pointsman(
        "licence", "issue", "--issuer", private, "--holder", "Example Ltd", "--expires", "2999-12-31",
        "--bandwidth", "2.5G", "--cluster-size", 7, "--feature", "a", "--feature", "b", "--serial", "X-1",
        "--output", key,
    )  # fmt: skip
    assert (done.status, done.out) == (0, f"Issued licence X-1 to Example Ltd: {key}\n")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    said = read_key(key.read_bytes())
    assert said.licence == Licence(
        "X-1", "Example Ltd", said.licence.issued, 32503680000, 2_500_000_000, 7, ("a", "b")
    )
    assert said.issuer == load_public(public)
    shown = pointsman("licence", "show", key)
    for words in ("Example Ltd", "3000-01-01", "2500 Mb/s", "7", "a b", said.issuer_fingerprint, "valid"):
        assert words in shown.out
    assert json.loads(pointsman("licence", "show", key, "--json").out)["cluster_size"] == 7
    assert pointsman("licence", "verify", key, "--issuer", public).status == 0
    assert json.loads(pointsman("licence", "verify", key, "--json").out)["valid"] is True


def test_what_is_not_limited_is_unlimited(tmp_path: Path, pointsman: Pointsman) -> None:
    private, _ = make_issuer(pointsman, tmp_path / "issuer")
    printed = pointsman("licence", "issue", "--issuer", private, "--holder", "x").out
    assert read_key(printed).licence.unlimited
    week = read_key(
        pointsman("licence", "issue", "--issuer", private, "--holder", "x", "--days", 7).out
    ).licence
    assert week.expires == week.issued + 7 * 86_400


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--holder", "x", "--expires", "2001-01-01"), "in the past"),
        (("--holder", "x", "--expires", "2999-01-01", "--days", "3"), "exclude each other"),
        (("--holder", "x", "--bandwidth", "fast"), "no bandwidth"),
        (("--holder", "x", "--bandwidth", "0.5"), "no whole number"),
        (("--holder", "x", "--bandwidth", "9999T"), "up to 1000T"),
        (("--holder", "x", "--cluster-size", "0"), "cluster-size"),
        (("--holder", "x\ny"), "holder is not a line"),
        (("--holder", "x", "--feature", "a b"), "features are not"),
        (("--holder", "x", "--serial", "../x"), "serial is not a word"),
        ((), "--holder"),
    ],
)
def test_what_cannot_be_issued(
    tmp_path: Path, pointsman: Pointsman, words: tuple[str, ...], complaint: str
) -> None:
    private, _ = make_issuer(pointsman, tmp_path / "issuer")
    done = pointsman("licence", "issue", "--issuer", private, *words)
    assert (done.status, done.out) == (1, "")
    assert complaint in done.err
    assert done.err.count("\n") == 1


def test_nothing_is_overwritten_and_wrong_files_are_named(tmp_path: Path, pointsman: Pointsman) -> None:
    private, public = make_issuer(pointsman, tmp_path / "issuer")
    assert "exists already" in pointsman("licence", "issuer", "new", "--directory", tmp_path / "issuer").err
    (tmp_path / "there").write_text("mine")
    done = pointsman("licence", "issue", "--issuer", private, "--holder", "x", "--output", tmp_path / "there")
    assert "exists already" in done.err
    assert (tmp_path / "there").read_text() == "mine"
    assert (
        "not an issuer's private key"
        in pointsman("licence", "issue", "--issuer", public, "--holder", "x").err
    )
    missing = tmp_path / "missing"
    for words in (
        ("issue", "--issuer", missing, "--holder", "x"),
        ("show", missing),
        ("verify", missing),
        ("install", missing),
    ):
        done = pointsman("licence", *words)
        assert (done.status, str(missing) in done.err) == (1, True)


def test_keys_that_do_not_verify(tmp_path: Path, pointsman: Pointsman) -> None:
    _, public = make_issuer(pointsman, tmp_path / "issuer")
    key = tmp_path / "a.key"
    key.write_bytes(licence_key())
    done = pointsman("licence", "verify", key, "--issuer", public)
    assert (done.status, "not by" in done.err) == (1, True)
    assert pointsman("licence", "verify", key).status == 0
    key.write_bytes(licence_key(issued=1000, expires=2000))
    done = pointsman("licence", "verify", key)
    assert (done.status, "expired since 1970-01-01" in done.err) == (1, True)
    assert json.loads(pointsman("licence", "verify", key, "--json").out)["valid"] is False
    key.write_bytes(licence_key(issued=32503680000))
    assert "not valid before 3000-01-01" in pointsman("licence", "verify", key).err
    key.write_text("Riverbed licence key, serial 1")
    for word in ("show", "verify", "install"):
        done = pointsman("licence", word, key)
        assert (done.status, "another product" in done.err) == (1, True)


def test_a_key_is_installed_listed_and_removed(
    tmp_path: Path, instance: Instance, pointsman: Pointsman
) -> None:
    """R62: installation by file, several keys at once: the best valid one is in use."""
    home = "--home", instance.home
    for serial, bandwidth in (("A", 20_000_000), ("B", 50_000_000)):
        (tmp_path / serial).write_bytes(licence_key(serial, bandwidth=bandwidth))
        done = pointsman("licence", "install", tmp_path / serial, *home)
        assert done.status == 0, done
        assert f"Installed licence {serial}. In force: licence {serial}, " in done.out
    listed = pointsman("licence", "list", *home)
    lines = listed.out.splitlines()
    assert lines[0].startswith("In force: licence B, 50 Mb/s")
    assert [line.split()[0] for line in lines[1:4]] == ["SERIAL", "A", "B"]
    assert "valid, another is in use" in lines[2]
    assert lines[-1] == f"Trusted issuer: {FINGERPRINT}"
    found = json.loads(pointsman("licence", "list", *home, "--json").out)
    assert (found["source"], found["bandwidth"], len(found["keys"])) == ("B", 50_000_000, 2)
    done = pointsman("licence", "remove", "B", *home)
    assert (done.status, "In force: licence A" in done.out) == (0, True)
    done = pointsman("licence", "remove", "B", *home)
    assert (done.status, 'there is no licence key "B"' in done.err) == (1, True)
    (tmp_path / "F").write_bytes(licence_key("F", issuer=STRANGER))
    done = pointsman("licence", "install", tmp_path / "F", *home)
    assert (done.status, "pointsman licence trust" in done.err) == (1, True)
    assert (
        pointsman(
            "licence", "trust", read_key((tmp_path / "F").read_bytes()).issuer_fingerprint, *home
        ).status
        == 0
    )
    assert (
        json.loads(pointsman("licence", "install", tmp_path / "F", *home, "--json").out)["installed"] == "F"
    )


def test_an_expired_key_is_installed_with_a_warning(
    tmp_path: Path, instance: Instance, pointsman: Pointsman
) -> None:
    (tmp_path / "old").write_bytes(licence_key("OLD", issued=1000, expires=2000))
    done = pointsman("licence", "install", tmp_path / "old", "--home", instance.home)
    assert done.status == 2
    assert "Community Edition" in done.out
    assert "expired on" in done.out


def test_without_a_running_instance_a_key_waits(tmp_path: Path, pointsman: Pointsman) -> None:
    key = tmp_path / "a.key"
    key.write_bytes(licence_key())
    home = tmp_path / "home"
    done = pointsman("licence", "install", key, "--home", home)
    assert (done.status, "there is no home" in done.err) == (1, True)
    assert "there is no home" in pointsman("licence", "trust", "AA", "--home", home).err
    home.mkdir()
    done = pointsman("licence", "install", key, "--home", home)
    assert (done.status, "taken at its next start" in done.out, FINGERPRINT in done.err) == (0, True, True)
    assert [one.text for one in dropped(home)] == [key.read_bytes()]
    key.write_bytes(licence_key("F", issuer=STRANGER))
    assert pointsman("licence", "install", key, "--home", home).status == 1
    assert len(dropped(home)) == 1
    assert pointsman("licence", "list", "--home", home).status == 4
    assert pointsman("licence", "remove", "A1", "--home", home).status == 4


def test_trust_takes_a_file_or_a_fingerprint(tmp_path: Path, pointsman: Pointsman) -> None:
    private, public = make_issuer(pointsman, tmp_path / "issuer")
    home = tmp_path / "home"
    home.mkdir()
    assert pointsman("licence", "trust", public, "--home", home).status == 0
    assert pointsman("licence", "trust", FINGERPRINT.lower(), "--home", home).status == 0
    assert len(Trust(home).fingerprints()) == 2
    assert "not an issuer's public key" in pointsman("licence", "trust", private, "--home", home).err
    assert "there is no such file" in pointsman("licence", "trust", "AA:BB", "--home", home).err


@contextmanager
def serving(status: int, body: bytes) -> Iterator[str]:
    """The URL of a server that answers always the same."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/a.key"
        finally:
            server.shutdown()
            thread.join()


def test_a_key_is_installed_from_a_url(tmp_path: Path, instance: Instance, pointsman: Pointsman) -> None:
    """R16: a licence is downloaded and installed; a key that is not ours is refused."""
    with serving(200, licence_key("U")) as url:
        assert pointsman("licence", "install", url, "--home", instance.home).status == 0
    with serving(200, b"<html>login</html>") as url:
        done = pointsman("licence", "install", url.replace("//", "//user:word@"), "--home", instance.home)
        assert (done.status, "not a Pointsman licence key" in done.err) == (1, True)
        assert "word" not in done.err.replace("password", "")
    with serving(200, b"x" * (1 << 20) + b"x") as url:
        done = pointsman("licence", "install", f"{url}?token=secret", "--home", instance.home)
        assert (done.status, "larger than 1048576 bytes" in done.err, "secret" in done.err) == (
            1,
            True,
            False,
        )
