"""The `cert` tool prints what openssl prints, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.certificates import self_signed

from pointsman.identity.certificate import InstanceCertificate


def cert(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointsman.provision.command", "cert", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


@pytest.mark.parametrize(("form", "algorithm"), [("fingerprint", "-sha1"), ("fingerprint-sha256", "-sha256")])
def test_it_prints_the_fingerprint_as_openssl_does(tmp_path: Path, form: str, algorithm: str) -> None:
    """R44, R45: upper-case hexadecimal bytes with colons on one line, equal to openssl's; SHA-256 by its own name."""
    InstanceCertificate.open(tmp_path, "pm1")
    file = str(tmp_path / "admin.public")
    shown = subprocess.run(
        ["openssl", "x509", "-in", file, "-noout", "-fingerprint", algorithm],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    ended = cert("-f", form, "-in", file)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == shown.partition("=")[2]
    assert len(ended.stdout.strip().split(":")) == {"-sha1": 20, "-sha256": 32}[algorithm]


def test_of_a_chain_the_first_counts_and_a_key_is_passed_over(tmp_path: Path) -> None:
    first, key = self_signed("a.example")
    (tmp_path / "chain.pem").write_text(f"# a comment\n{key}{first}{self_signed('b.example')[0]}")
    (tmp_path / "first.pem").write_text(first)
    chain = cert("-f", "fingerprint", "-in", str(tmp_path / "chain.pem"))
    assert chain.stdout == cert("-f", "fingerprint", "-in", str(tmp_path / "first.pem")).stdout != ""


def test_what_is_no_certificate_is_one_line_on_standard_error(tmp_path: Path) -> None:
    """R45: the line is only ever a fingerprint."""
    broken = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"
    for number, content in enumerate(
        (
            b"",
            b"\xff\xfe",
            self_signed("a.example")[1].encode(),
            broken.format("AAAA").encode(),
            broken.format("!").encode(),
        )
    ):
        file = tmp_path / f"{number}.pem"
        file.write_bytes(content)
        ended = cert("-f", "fingerprint", "-in", str(file))
        assert (ended.returncode, ended.stdout) == (1, ""), content
        assert ended.stderr.splitlines() == [
            f"cert: {file}: holds no certificate in PEM; name the file of a certificate"
        ]
    for place in (tmp_path, tmp_path / "none"):
        ended = cert("-f", "fingerprint", "-in", str(place))
        assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1)
    for words in (("-f", "modulus", "-in", "x"), ("-in", "x"), ("-f", "fingerprint")):
        assert cert(*words).returncode == 2


def test_it_is_quick(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text(self_signed("a.example")[0])
    best = 60.0
    for _ in range(5):
        began = time.perf_counter()
        assert cert("-f", "fingerprint", "-in", str(tmp_path / "a.pem")).returncode == 0
        best = min(best, time.perf_counter() - began)
    assert best < 2
