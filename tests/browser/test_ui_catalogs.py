"""The editor of rules and the certificates in a browser."""

from __future__ import annotations

from urllib.parse import quote

from playwright.sync_api import expect
from tests.browser.accessibility import faults
from tests.browser.conftest import Visit
from tests.certificates import Authority, key_pem_of, pem_of
from tools.instance import Instance

EDITOR = "[data-rule-editor] .cm-content"
RULE = "# Says hello.\n$who = http.getHeader( 'User' );\nlog.info( \"hello \" . $who );\n"


def put_rule(shared: Instance, name: str) -> None:
    """Stores the rule."""
    path = f"config/active/rules/{name}"
    status, _ = shared.rest("PUT", path, RULE.encode(), content_type="application/octet-stream")
    assert status in (201, 204)


def test_the_editor_colours_checks_and_completes(visit: Visit, shared: Instance) -> None:
    put_rule(shared, "hello")
    for scheme in ("light", "dark"):
        visitor = visit(shared.ready["ui"], color_scheme=scheme)
        page = visitor.log_in(path="/catalogs/rules/hello")
        editor = page.locator(EDITOR)
        expect(editor).to_be_visible()
        expect(page.locator("#text")).to_be_hidden()
        colours = editor.locator("span").evaluate_all(
            "all => [...new Set(all.map((one) => getComputedStyle(one).color))]"
        )
        assert len(colours) >= 4
        visitor.look(f"rule-{scheme}")
    page.locator(EDITOR).click()
    page.keyboard.press("Control+End")
    page.keyboard.type("htpp.getHeader( 1 )")
    expect(page.locator("[data-faults]")).to_contain_text("did you mean http.getHeader?")
    expect(page.locator("[data-faults]")).to_contain_text("is missing here")
    expect(page.locator("[data-rule-editor] .cm-lintRange-error")).to_have_count(1)
    page.keyboard.type(";\nhttp.setHea")
    # By the mouse: for a moment after the list has opened, Enter is still a line break.
    page.locator("[data-rule-editor] .cm-tooltip-autocomplete li").filter(
        has_text="http.setHeader"
    ).first.click()
    expect(page.locator("[data-rule-editor] .cm-signature strong")).to_have_text("name")
    page.keyboard.type("'X', 1 );")
    # Escape, then Tab, leaves the editor; Tab alone indents.
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.shadowRoot") is None
    page.click("button[value=apply]")
    expect(page.locator(".banner:visible").first).to_contain_text("The rule hello was saved.")
    stored = shared.rest("GET", "config/active/rules/hello")[1].decode()
    assert stored.startswith(RULE)
    assert "http.setHeader( 'X', 1 );" in stored


def test_without_javascript_the_text_area_does_the_work(visit: Visit, shared: Instance) -> None:
    put_rule(shared, "plain")
    visitor = visit(shared.ready["ui"], java_script_enabled=False)
    page = visitor.log_in(path="/catalogs/rules/plain")
    assert page.input_value("#text") == RULE
    page.fill("#text", "log.info( 1")
    page.click("button[value=check]")
    expect(page.locator(".faults")).to_contain_text("is never closed")
    page.fill("#text", "log.info( 2 );")
    page.click("button[value=apply]")
    expect(page.locator(".banner:visible").first).to_contain_text("was saved")
    assert shared.rest("GET", "config/active/rules/plain") == (200, b"log.info( 2 );")


def test_certificates_fit_a_phone(visit: Visit, shared: Instance) -> None:
    authority = Authority.make("<img src=x onerror=alert(1)>" + "x" * 30)
    names = [f"host{number}.example.com" for number in range(60)]
    certificate, key = authority.sign(names[0], names, 20)
    basic = {"public": pem_of(certificate), "private": key_pem_of(key)}
    assert shared.put("ssl/server_keys", "phone" + "x" * 200, {"basic": basic})[0] == 201
    visitor = visit(shared.ready["ui"], viewport={"width": 360, "height": 740})
    page = visitor.log_in(path="/catalogs/ssl")
    visitor.look("certificates-phone")
    page.click(".timeline a")
    expect(page.locator("#certificate-title")).to_be_visible()
    visitor.look("certificate-phone")
    for path in ("/catalogs", "/catalogs/ssl/server-certificates", "/catalogs/ssl/sni", "/catalogs/rules"):
        visitor.open(path)
        visitor.look(path.strip("/").replace("/", "-") + "-phone")


def test_pages_are_accessible_and_show_text_as_text(visit: Visit, shared: Instance) -> None:
    """With axe, in both themes, with names and subjects that mean harm."""
    tag = "<img src=x onerror=alert(1)>"
    authority = Authority.make(tag)
    certificate, key = authority.sign(tag, ["a.example", "*.b.example"], 5)
    basic = {"public": pem_of(certificate), "private": key_pem_of(key), "request": tag, "note": tag}
    assert shared.put("ssl/server_keys", tag, {"basic": basic})[0] == 201
    path = f"config/active/ssl/cas/{quote(tag, safe='')}"
    shared.rest("PUT", path, pem_of(authority.certificate).encode(), content_type="application/octet-stream")
    mapping = [{"host": "a.example", "certificate": tag}, {"host": "c.example", "certificate": tag}]
    server = {
        "basic": {"port": 1, "pool": "discard", "ssl_decrypt": True},
        "ssl": {"server_cert_default": tag, "server_cert_host_mapping": mapping},
    }
    assert shared.put("virtual_servers", tag, {**server})[0] == 201
    shared.rest("PUT", "config/active/rules/harm", f"# {tag}\n{tag}".encode(), content_type="text/plain")
    shared.rest("PUT", "config/active/rules/harm", f"# {tag}".encode(), content_type="text/plain")
    one = f"/catalogs/ssl/server-certificates/{quote(tag, safe='')}"
    pages = [
        "/catalogs",
        "/catalogs/ssl",
        "/catalogs/ssl/server-certificates",
        "/catalogs/ssl/server-certificates/-/new",
        "/catalogs/ssl/server-certificates/-/generate",
        *(f"{one}{part}" for part in ("", "/replace", "/request", "/use")),
        "/catalogs/ssl/certificate-authorities",
        f"/catalogs/ssl/certificate-authorities/{quote(tag, safe='')}",
        "/catalogs/ssl/certificate-authorities/-/new",
        "/catalogs/ssl/sni?host=c.example",
        f"/catalogs/ssl/sni/{quote(tag, safe='')}",
        "/catalogs/rules",
        "/catalogs/rules/-/new",
        "/catalogs/rules/harm",
        "/catalogs/rules/harm/versions",
        "/catalogs/monitors/-/new",
        "/catalogs/monitors/-/new?type=http",
        "/catalogs/monitors/Ping",
        "/catalogs/extra-files",
    ]
    visitor = visit(shared.ready["ui"], reduced_motion="reduce")
    page = visitor.log_in()
    bad = []
    for address in pages:
        answer = page.goto(visitor.address + address)
        assert answer is not None
        assert answer.status == 200, address
        assert not page.locator("main img").count(), address
        bad += [f"{address}: {fault}" for fault in faults(page)]
        page.set_viewport_size({"width": 360, "height": 740})
        if (needed := page.evaluate("document.documentElement.scrollWidth")) > 360:
            bad.append(f"{address}: {needed} pixels wide in a window of 360")
        page.set_viewport_size({"width": 1280, "height": 900})
    assert not bad, "\n".join(bad)
