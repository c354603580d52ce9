"""What to try next fits the words of what failed, and its commands are safe to paste."""

from __future__ import annotations

import shlex

import pytest

from pointsman.compiler.plan import Check
from pointsman.control.advice import steps
from pointsman.control.checking import asks, url_of

HTTP = Check(
    pool="web",
    node="web1:8080",
    monitor="page",
    kind="http",
    address="10.0.0.1",
    port=8080,
    delay=3,
    timeout=2,
    failures=3,
    path="/health?a=$(reboot)",
    host_header="shop; reboot",
    authentication="user:secret",
    status_regex="^2..$",
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("Connect: connection refused", "nothing listens on port 8080"),
        ("timed out after 3 s connecting", "firewall"),
        ("timed out connecting", "firewall"),
        ("page: timed out after 2 s waiting for the response", "overloaded"),
        ("timed out waiting for the response", "overloaded"),
        ("the node's host cannot be reached (no route, or it answers no ARP)", "Packets do not get there"),
        ("TLS failed: wrong version number", "TLS is not agreed on"),
        ("page: status 503 does not match ^2..$", "answers with status 503"),
        ("status 404 is not what the monitor accepts", "does not know the page"),
        ("status 302 does not match ^2..$", "redirection"),
        ('the body does not match OK; it begins "no"', "not with what the monitor expects"),
        ('the answer is not HTTP: "SSH-2.0"', "Something else than HTTP"),
        ("failed requests of clients: 3 in a row", "requests of clients failed"),
        ("the node reset the connection", "drops it at once"),
        ('the host name of node "web1:8080" does not resolve; the node is left out', "getent hosts web1"),
        ("something nobody has seen before", "curl"),
    ],
)
def test_each_failure_has_its_advice(words: str, expected: str) -> None:
    found = steps(words, "web1", 8080, (HTTP,))
    assert found
    assert expected in " ".join(f"{step.text} {step.command}" for step in found)


@pytest.mark.parametrize("words", ["status 500 does not match ^2..$", "anything else"])
def test_a_command_runs_nothing_but_what_it_says(words: str) -> None:
    (command,) = [step.command for step in steps(words, "web1", 8080, (HTTP,)) if step.command]
    assert shlex.split(command) == [
        "curl", "-sv", "-m", "2", "-H", "Host: shop; reboot", "http://10.0.0.1:8080/health?a=$(reboot)",
    ]  # fmt: skip
    assert "secret" not in command


def test_what_a_check_asks_for_is_said_without_its_password() -> None:
    text = asks(HTTP)
    assert text.startswith("GET http://10.0.0.1:8080/health")
    assert "a status that matches ^2..$" in text
    assert "secret" not in text
    assert url_of(HTTP).startswith("http://10.0.0.1:8080/")
