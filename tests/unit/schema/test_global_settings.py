"""The settings of the whole cluster."""

from __future__ import annotations

import pytest

from pointsman.schema.global_settings import GLOBAL_SETTINGS, GlobalSettings
from pointsman.schema.validate import Invalid, build


def settings(**sections: dict[str, object]) -> GlobalSettings:
    built = build(GLOBAL_SETTINGS, "", sections)
    assert isinstance(built, GlobalSettings)
    return built


def test_every_key_of_the_interface_is_declared() -> None:
    assert len(GLOBAL_SETTINGS.keys) == 324
    assert len(GLOBAL_SETTINGS.sections) == 45
    assert GLOBAL_SETTINGS.sections[:2] == ("basic", "admin")


def test_sections_of_hidden_keys_only_exist() -> None:
    shown = {key.section for key in GLOBAL_SETTINGS.keys if not key.hidden}
    assert set(GLOBAL_SETTINGS.sections) - shown == {
        "bandwidth",
        "dns_autoscale",
        "gce",
        "http",
        "periodic_log",
        "zoneinfo",
    }


def test_a_cluster_nobody_configured_has_complete_settings() -> None:
    fresh = settings()
    assert fresh.rest_api.enabled
    assert fresh.fault_tolerance.frontend_check_ips == ("%gateway%",)
    assert fresh.ssl.tickets_ticket_key_rotation == 14400


def test_secrets_are_known_and_read_back_empty() -> None:
    secrets = {key.path: key.secret.readback for key in GLOBAL_SETTINGS.keys if key.secret}
    assert set(secrets) == {
        "appliance.bootloader_password",
        "ec2.secret_access_key",
        "log_export.auth_hec_token",
        "log_export.auth_password",
        "ospfv2.authentication_shared_secret_a",
        "ospfv2.authentication_shared_secret_b",
        "remote_licensing.owner_secret",
        "ssl_hardware.azure_client_secret",
        "ssl_hardware.driver_pkcs11_user_pin",
    }
    assert set(secrets.values()) == {"empty"}


def test_banners_and_certificates_have_several_lines() -> None:
    banner = "Authorised use only.\nEverything is logged.\n"
    assert settings(security={"login_banner": banner}).security.login_banner == banner
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert settings(remote_licensing={"server_certificate": pem}).remote_licensing.server_certificate == pem


def test_other_strings_have_one_line() -> None:
    with pytest.raises(Invalid) as caught:
        settings(java={"command": "java\nserver"})
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("string.illegal_character", ("java", "command"))


def test_a_gateway_is_told_by_its_hardware_address() -> None:
    gateway = {"mac": "02:00:00:00:00:01", "ipv4": "192.0.2.1"}
    assert settings(ip={"appliance_returnpath": [gateway]}).ip.appliance_returnpath[0].ipv6 == ""
    with pytest.raises(Invalid) as caught:
        settings(ip={"appliance_returnpath": [{"ipv4": "192.0.2.1"}, gateway, gateway]})
    (problem,) = caught.value.problems
    assert (problem.code, problem.path[-1]) == ("property.no_default", "mac")
    with pytest.raises(Invalid) as caught:
        settings(ip={"appliance_returnpath": [gateway, gateway]})
    (problem,) = caught.value.problems
    assert problem.code == "table.duplicate_row"


def test_rows_may_leave_out_a_key_column_that_is_not_required() -> None:
    built = settings(rest_api={"proxy_map": [{"symlink_path": "/a"}]})
    assert built.rest_api.proxy_map[0].absolute_path == ""
    with pytest.raises(Invalid) as caught:
        settings(rest_api={"proxy_map": [{"symlink_path": "/a"}, {"symlink_path": "/b"}]})
    assert caught.value.problems[0].code == "table.duplicate_row"


def test_versions_that_know_a_key() -> None:
    since = {key.path: key.since for key in GLOBAL_SETTINGS.keys}
    assert since["ssl.support_tls1_3"] == "6.1"
    assert since["connection.udp_read_multiple"] == "8.1"
    assert since["basic.max_fds"] == "3.3"
