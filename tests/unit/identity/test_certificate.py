"""The instance's certificate."""

import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from pointsman.identity.certificate import CertificateRefused, InstanceCertificate, make_self_signed


def test_the_first_start_makes_a_certificate_for_this_machine(tmp_path: Path) -> None:
    directory = tmp_path / "identity"
    made = InstanceCertificate.open(directory, "lb1.example.com", ["10.1.2.3", "fe80::1%eth0"])
    certificate = x509.load_pem_x509_certificate((directory / "admin.public").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lb1.example.com", "localhost"]
    addresses = [str(a) for a in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["127.0.0.1", "::1", "10.1.2.3", "fe80::1"]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days // 365 == 10
    assert stat.S_IMODE((directory / "admin.private").stat().st_mode) == 0o600
    assert b"PRIVATE" not in (directory / "admin.public").read_bytes()
    assert made.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert sorted(path.name for path in directory.iterdir()) == ["admin.private", "admin.public"]


@pytest.mark.parametrize("host", ["x" * 300, "bad\nname", "", "münchen", "::1", "_a_b_", "a..b"])
def test_any_host_name_gives_a_usable_certificate(tmp_path: Path, host: str) -> None:
    assert InstanceCertificate.open(tmp_path, host).sha1


def test_it_stays_over_restarts_and_fingerprints_equal_those_of_openssl(tmp_path: Path) -> None:
    first = InstanceCertificate.open(tmp_path, "lb1")
    second = InstanceCertificate.open(tmp_path, "lb1")
    assert first.sha256 == second.sha256
    for algorithm, ours in (("sha1", second.sha1), ("sha256", second.sha256)):
        shown = subprocess.run(
            ["openssl", "x509", "-in", tmp_path / "admin.public", "-noout", "-fingerprint", f"-{algorithm}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert shown.strip().partition("=")[2] == ours


def test_replacing_uses_the_new_one_and_stores_it(tmp_path: Path) -> None:
    instance = InstanceCertificate.open(tmp_path, "lb1")
    old_context, old = instance.context, instance.sha256
    instance.replace(*make_self_signed("other"))
    assert instance.sha256 != old
    assert instance.context is not old_context
    assert InstanceCertificate.open(tmp_path, "lb1").sha256 == instance.sha256


def test_what_does_not_fit_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    instance = InstanceCertificate.open(tmp_path, "lb1")
    before, context = instance.sha256, instance.context
    public, private = make_self_signed("a")
    _, other = make_self_signed("b")
    for pair in ((public, other), (b"", private), (public, b""), (b"junk", b"junk"), (private, public)):
        with pytest.raises(CertificateRefused):
            instance.replace(*pair)
    assert instance.sha256 == before
    assert instance.context is context
    assert InstanceCertificate.open(tmp_path, "lb1").sha256 == before


def test_a_replacement_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    InstanceCertificate.open(tmp_path, "lb1")
    public, private = make_self_signed("new")
    (tmp_path / "admin.staged").write_bytes(private + public)
    (tmp_path / "admin.private").write_bytes(private)
    completed = InstanceCertificate.open(tmp_path, "lb1")
    assert (tmp_path / "admin.public").read_bytes() == public
    assert not (tmp_path / "admin.staged").exists()
    assert InstanceCertificate.open(tmp_path, "lb1").sha1 == completed.sha1


@pytest.mark.parametrize("name", ["admin.public", "admin.private"])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path, name: str) -> None:
    """R25: a start that finds its certificate damaged says which files and what to do."""
    InstanceCertificate.open(tmp_path, "lb1")
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
    with pytest.raises(CertificateRefused, match=f"{tmp_path}/{name}.* is damaged .*delete both"):
        InstanceCertificate.open(tmp_path, "lb1")
    for file in ("admin.public", "admin.private"):
        (tmp_path / file).unlink()
    InstanceCertificate.open(tmp_path, "lb1")


def test_a_replacement_without_space_changes_nothing(tmp_path: Path) -> None:
    """R51: not now, and not at the next start either."""
    certificate = InstanceCertificate.open(tmp_path, "lb1")
    before = certificate.sha1
    (tmp_path / "admin.private").unlink()
    (tmp_path / "admin.private").mkdir()  # the second of the files that cannot be written
    with pytest.raises(OSError, match=r"admin\.private"):
        certificate.replace(*make_self_signed("lb2"))
    assert certificate.sha1 == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["admin.private", "admin.public"]


def test_a_damaged_staged_file_does_not_stop_the_start(tmp_path: Path) -> None:
    before = InstanceCertificate.open(tmp_path, "lb1").sha256
    (tmp_path / "admin.staged").write_bytes(b"half")
    assert InstanceCertificate.open(tmp_path, "lb1").sha256 == before
