"""The variables of a container's start: what each asks for, and that garbage costs a clear line and nothing else."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.each import each

from pointsman.provision.variable import BY_NAME, VARIABLES, Variables, read_variables, without_secrets

SHA1 = ":".join(["AB"] * 20)
SHA256 = "ab" * 32
GARBAGE = (
    "x" * 131_072,
    "a\nFATAL: b",
    "\"'`",
    "$(touch here)",
    "\udcff\udcfe",
    "\0x"[1:] + "\x1b[2J",
    "-",
    "é" * 9,
)


def test_nothing_given_is_a_stand_alone_instance() -> None:
    assert read_variables({"ZEUS_EULA": "accept", "PATH": "/bin"}).variables == Variables()
    assert not read_variables({"ZEUS_EULA": "accept"}).remarks


def test_every_variable_is_read() -> None:
    """R28, R29, R31: directories and import options are taken, in either way of writing the time."""
    found = read_variables(
        {
            "ZEUS_LIC": "http://licences.example.com/key",
            "ZEUS_LIC_FP": SHA256,
            "ZEUS_COMMUNITY_EDITION": "yes",
            "ZEUS_PASS": "correct horse",
            "ZEUS_PACKAGES": "curl  g++\nlibc6:amd64 python3.13=3.13.5-2",
            "ZEUS_CLUSTER_NAME": "peer.example.com",
            "ZEUS_CLUSTER_PORT": "19090",
            "ZEUS_CLUSTER_FP": SHA1.lower(),
            "ZEUS_BASE_CONFIG": "/import/base",
            "ZEUS_WATCHED_CONFIG": "/import/with space",
            "ZEUS_CONFIG_IMPORT_ARGS": "--no-replicate '--no-restart' --restart-timeout 90",
            "ZEUS_REGISTER_HOST": "director.example.com:8100",
        }
    )
    assert found.problems == ()
    assert found.variables == Variables(
        licence_url="http://licences.example.com/key",
        licence_fingerprint=SHA256.upper(),
        community=True,
        password="correct horse",
        packages=("curl", "g++", "libc6:amd64", "python3.13=3.13.5-2"),
        cluster_name="peer.example.com",
        cluster_port=19090,
        cluster_fingerprint="AB" * 20,
        base="/import/base",
        watched="/import/with space",
        replicate=False,
        restart=False,
        restart_seconds=90.0,
        registration=("ZEUS_REGISTER_HOST",),
    )
    assert read_variables({"ZEUS_CONFIG_IMPORT_ARGS": "--restart-timeout=5"}).variables.restart_seconds == 5.0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("ZEUS_LIC", "file:///etc/shadow", "http:// or https://"),
        ("ZEUS_LIC", "/key", "http:// or https://"),
        ("ZEUS_LIC", "http://[::1", "http:// or https://"),
        ("ZEUS_LIC", "http://host:port/", "http:// or https://"),
        ("ZEUS_LIC_FP", SHA1, "SHA-256"),
        ("ZEUS_COMMUNITY_EDITION", "1", "neither yes nor no"),
        ("ZEUS_PACKAGES", "--reinstall", "no name of a Debian package"),
        ("ZEUS_PACKAGES", "curl-", "no name of a Debian package"),
        ("ZEUS_PACKAGES", "curl;reboot", "no name of a Debian package"),
        ("ZEUS_PACKAGES", "./local.deb", "no name of a Debian package"),
        ("ZEUS_CLUSTER_NAME", "", "is empty"),
        ("ZEUS_CLUSTER_PORT", "0", "1 to 65535"),
        ("ZEUS_CLUSTER_PORT", "٣", "1 to 65535"),
        ("ZEUS_CLUSTER_FP", "AB:CD", "SHA-1 (20 bytes) or SHA-256 (32 bytes)"),
        ("ZEUS_CONFIG_IMPORT_ARGS", "--chdir /", "--no-replicate, --no-restart"),
        ("ZEUS_CONFIG_IMPORT_ARGS", "$(reboot)", "no option of an import"),
        ("ZEUS_CONFIG_IMPORT_ARGS", "--restart-timeout=", "1 to 86400 seconds"),
        ("ZEUS_CONFIG_IMPORT_ARGS", "--restart-timeout", "1 to 86400 seconds"),
        ("ZEUS_CONFIG_IMPORT_ARGS", "'open", "quotation mark"),
    ],
)
def test_an_unusable_value_is_told_with_the_remedy(name: str, value: str, said: str) -> None:
    (problem, *_) = read_variables({name: value}).problems
    assert problem.startswith(f"{name}: ")
    assert said in problem


def test_all_problems_are_told_at_once() -> None:
    found = read_variables(
        {"ZEUS_LIC": "x", "ZEUS_CLUSTER_PORT": "x", "ZEUS_PACKAGES": "-x", "ZEUS_PASS": "a\nb"}
    )
    named = [problem.partition(":")[0] for problem in found.problems]
    assert sorted(named) == ["ZEUS_CLUSTER_PORT", "ZEUS_LIC", "ZEUS_PACKAGES", "ZEUS_PASS"]


def test_unknown_variables_are_told_with_the_nearest_name() -> None:
    """R27: an unknown ZEUS_ variable is a warning that names the nearest known one."""
    remarks = read_variables({"ZEUS_PASSWORD": "secret", "zeus_eula": "x", "ZEUS_" + "q" * 999: ""}).remarks
    assert any("ZEUS_PASSWORD: " in remark and "did you mean ZEUS_PASS?" in remark for remark in remarks)
    assert any("zeus_eula: " in remark and "did you mean ZEUS_EULA?" in remark for remark in remarks)
    assert len(remarks) == 3
    assert not any("secret" in remark for remark in remarks)


@pytest.mark.parametrize(
    ("word", "strong"), [("RANDOM", False), ("SIMPLE", False), ("STRONG", True), ("", False)]
)
def test_words_that_have_a_password_generated(word: str, strong: bool) -> None:
    """R18: unset, RANDOM, SIMPLE and STRONG have a password generated."""
    found = read_variables({"ZEUS_PASS": word}).variables
    assert found.password is None
    assert found.strong is strong


@pytest.mark.parametrize(
    "word", ["random", " RANDOM", "STRONG ", " leading and trailing ", "päss wörd ☂", "a:b"]
)
def test_a_given_password_is_taken_as_it_is(word: str) -> None:
    """R18: any other password is taken as it is, spaces included."""
    assert read_variables({"ZEUS_PASS": word}).variables.password == word


def test_one_password_only() -> None:
    found = read_variables({"ZEUS_PASS": "one", "ZEUS_PASS_FILE": "/two"})
    assert any("ZEUS_PASS_FILE" in problem for problem in found.problems)


def test_what_does_nothing_is_remarked_upon() -> None:
    """R21, R41: a port without a cluster, and registering, which is not built, are warnings."""
    remarks = read_variables({"ZEUS_CLUSTER_PORT": "1", "ZEUS_REGISTER_SECRET": "hush"}).remarks
    assert any("ZEUS_CLUSTER_PORT" in remark and "ZEUS_CLUSTER_NAME" in remark for remark in remarks)
    assert any("ZEUS_REGISTER_SECRET" in remark and "not built yet" in remark for remark in remarks)
    assert not any("hush" in remark for remark in remarks)


@each(product(BY_NAME, GARBAGE), "{} {!r:.60}".format)
def test_garbage_is_read_without_harm(name: str, value: str) -> None:
    found = read_variables({name: value})
    for text in (*found.problems, *found.remarks):
        assert name in text
        assert len(text) < 400
        if BY_NAME[name].secret:
            assert value not in text or len(value) < 3


@given(st.dictionaries(st.sampled_from([*BY_NAME, "ZEUS_X"]), st.text(st.characters(), max_size=200)))
def test_reading_never_fails(environment: dict[str, str]) -> None:
    found = read_variables(environment)
    assert all(": " in text for text in (*found.problems, *found.remarks))


@given(
    st.sampled_from(["", "http://", "https://user@", "RANDOM ", "$(", "\n"]),
    st.text(st.characters(min_codepoint=0x410, max_codepoint=0x44F), min_size=1),
)
def test_no_secret_is_ever_told(beginning: str, rest: str) -> None:
    """Cyrillic letters, which the product never writes by itself: not one of them may be in a text."""
    for variable in VARIABLES:
        if variable.secret:
            found = read_variables({variable.name: beginning + rest})
            told = "".join((*found.problems, *found.remarks, repr(found.variables)))
            assert not set(rest) & set(told)


def test_secrets_are_not_passed_on() -> None:
    left = without_secrets(
        {
            "ZEUS_PASS": "a",
            "ZEUS_LIC": "b",
            "ZEUS_REGISTER_SECRET": "c",
            "ZEUS_PASSWORD": "mistaken for ZEUS_PASS",
            "zeus_pass": "likewise",
            "ZEUS_EULA": "accept",
            "ZEUSHOME": "/home",
        }
    )
    assert left == {"ZEUS_EULA": "accept", "ZEUSHOME": "/home"}
