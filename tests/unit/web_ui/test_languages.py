"""Pages in other languages: what is translated, who chooses, and what a broken or hostile catalog can do."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from jinja2 import DictLoader, Environment
from tests import pseudo
from tests.running import AUTHOR
from tests.unit.web_ui.test_login import Site, log_in, open_site
from tools.texts import catalog, texts

from pointsman.console import template
from pointsman.console.language.catalog import language_of
from pointsman.console.language.choice import preferred
from pointsman.console.language.po import read, write
from pointsman.console.language.shelf import Shelf
from pointsman.console.language.templating import TranslatedEnvironment
from pointsman.schema.problem import ObjectId
from pointsman.store import Put
from pointsman.web.ui.app import make_app

HEADER = "Content-Type: text/plain; charset=UTF-8\nX-Language-Name: Deutsch\n"


def po(messages: Mapping[str, str]) -> bytes:
    """A catalog."""
    return write(HEADER, [(message, translation, ()) for message, translation in messages.items()]).encode()


@asynccontextmanager
async def in_languages(site: Site, directory: Path, accept: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A browser at the pages with the catalogs of a directory."""
    application = make_app(
        site.running.control, site.users, health=lambda: "ok", rest_port=lambda: 9070, languages=directory
    )
    transport = httpx.ASGITransport(application, client=("192.0.2.8", 1))
    headers = {"Accept-Language": accept}
    address = "https://pm1.example:9090"
    async with httpx.AsyncClient(transport=transport, base_url=address, headers=headers) as browser:
        yield browser


# The file format


def test_what_is_written_is_read() -> None:
    messages = {'a "b" \\ c': "d\n\te\n", "f": "\n", "g\nh": "i"}
    entries, faults = read(po(messages))
    assert {entry.message: entry.translation for entry in entries} == {"": HEADER, **messages}
    assert not faults


def test_what_cannot_be_read_is_left_out_with_its_line() -> None:
    text = """# a comment
msgid "good"
msgstr "gut"

#, fuzzy
msgid "unsure"
msgstr "unsicher"

msgid "not yet"
msgstr ""

msgid "open
msgstr "offen"

msgid "one"
msgid_plural "many"
msgstr[0] "eins"

msgctxt "menu"
msgid "context"
msgstr "Kontext"

msgstr "of nothing"

#~ msgid "old"
#~ msgstr "alt"

msgid "long "
"text"
msgstr "langer "
"Text"
"""
    entries, faults = read(text.replace("\n", "\r\n").encode("utf-8-sig"))
    assert {entry.message: entry.translation for entry in entries} == {
        "good": "gut",
        "long text": "langer Text",
    }
    assert [fault.line for fault in faults] == [12, 15, 23]


@pytest.mark.parametrize(
    ("content", "line"),
    [(b'msgid "a"\nmsgstr "\xff"\n', 2), ("Grüße".encode("utf-16"), 1), (b"\x00" * 100, 1), (b'"a"\n', 1)],
)
def test_a_file_that_is_none(content: bytes, line: int) -> None:
    entries, faults = read(content)
    assert entries in ((), [])
    assert [fault.line for fault in faults] == [line]


@pytest.mark.parametrize(
    ("message", "translation", "taken"),
    [
        ("of {name}", "von {name}", True),
        ("of {name}", "von", False),
        ("of {name}", "von {name} {name}", False),
        ("of {name}", "von {nome}", False),
        ("of {name}", "von {name} {", False),
        ("of {name}", "von {name} {name.__class__}", False),
        ("{a}x{/a} {b}y{/b}", "{b}y{/b} {a}x{/a}", True),
        ("{a}x{/a} {b}y{/b}", "{b}{a}x{/a}y{/b}", True),
        ("{a}x{/a} {b}y{/b}", "{b}{a}x{/b}y{/a}", False),
        ("{a}x{/a}", "{/a}x{a}", False),
        ("x", "\u202ex", False),
        ("x", "a\u200cb\u200f", True),
        ("x", "\x1b[31mx", False),
        ("x", "x" * 5000, False),
        ("x", "<script>alert(1)</script>", True),
    ],
)
def test_which_translations_count(message: str, translation: str, taken: bool) -> None:
    language, faults = language_of("de", po({message: translation, "other": "anderes"}))
    assert (message in language.texts) is taken
    assert language.texts["other"] == "anderes"
    assert bool(faults) is not taken
    assert all(fault.line > 1 for fault in faults)
    assert language.name == "Deutsch"


def test_a_huge_file_is_not_read() -> None:
    good = b'msgid "a"\nmsgstr "b"\n'
    for content in (good + b"#" * 2_000_000, good + b'msgid "x"\nmsgstr "{y}"\n' * 2_000):
        language, faults = language_of("de", content)
        assert not language.texts
        assert [fault.line for fault in faults] == [0]


# The choice


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("de", "de"),
        ("de-AT, en;q=0.5", "de"),
        ("DE-at", "de"),
        ("pt", "pt-BR"),
        ("pt-BR;q=0.3, de;q=0.7", "de"),
        ("fr, de;q=0.1", "de"),
        ("en, de", "en"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("de;q=0", "en"),
        ("de;q=x, fr", "en"),
        ("*", "en"),
        ("", "en"),
        (",;,;q=,-", "en"),
    ],
)
def test_what_a_browser_prefers(header: str, code: str) -> None:
    languages = {one: language_of(one, po({"a": "b"}))[0] for one in ("en", "de", "pt-BR", "ar")}
    assert preferred(header, languages).code == code


async def test_choice_then_browser_then_english(tmp_path: Path) -> None:
    directory = tmp_path / "languages"
    directory.mkdir()
    (directory / "de.po").write_bytes(po({"Services": "Dienste", "Log in": "Anmelden"}))
    (directory / "ar.po").write_bytes(po({"Services": "الخدمات"}))
    async with open_site(tmp_path) as site:
        async with in_languages(site, directory, "fr") as browser:
            assert '<html lang="en">' in (await browser.get("/login")).text
        async with in_languages(site, directory, "de-CH, en;q=0.5") as browser:
            page = (await browser.get("/login")).text
            assert '<html lang="de">' in page
            assert ">Anmelden</button>" in page
            assert "User name" in page
            await log_in(browser)
            account = (await browser.get("/account")).text
            token = re.search(r'name="csrf" value="([^"]+)"', account)
            assert token is not None
            assert 'value="auto" selected' in account
            sent = {"csrf": token[1], "next": "/account", "language": "ar"}
            chosen = await browser.post("/language", data=sent)
            assert chosen.headers["location"] == "/account"
            page = (await browser.get("/")).text
            assert '<html lang="ar" dir="rtl"' in page
            assert ">الخدمات</a>" in page
            assert 'value="ar" lang="ar" selected' in (await browser.get("/account")).text
            refused = await browser.post("/language", data={**sent, "language": "../etc"})
            assert refused.status_code == 400
            assert (await browser.post("/language", data={**sent, "language": "auto"})).status_code == 303
            assert '<html lang="de"' in (await browser.get("/")).text
            old = await browser.get("/login", headers={"User-Agent": "MSIE 7.0"})
            assert '<html lang="de">' in old.text


async def test_without_catalogs_there_is_no_choice(tmp_path: Path) -> None:
    async with open_site(tmp_path) as site, in_languages(site, tmp_path / "none", "de") as browser:
        await log_in(browser)
        assert "/language" not in (await browser.get("/account")).text
        assert '<html lang="en"' in (await browser.get("/")).text


# The directory


def test_a_changed_catalog_counts_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    shelf = Shelf(tmp_path, look_seconds=0)
    assert list(shelf.languages()) == ["en"]
    (tmp_path / "de.po").write_bytes(po({"a": "b", "of {name}": "von"}))
    first = shelf.languages()["de"]
    assert (first.texts, first.name) == ({"a": "b"}, "Deutsch")
    assert shelf.languages()["de"] is first
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert f"{tmp_path / 'de.po'}, line 9: " in told[0]
    assert "{name}" in told[0]
    (tmp_path / "new").write_bytes(po({"a": "c", "d": "e"}))
    (tmp_path / "new").replace(tmp_path / "de.po")
    assert shelf.languages()["de"].texts == {"a": "c", "d": "e"}
    (tmp_path / "de.po").unlink()
    assert list(shelf.languages()) == ["en"]


def test_what_is_no_catalog_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "en.po").write_bytes(po({"a": "b"}))
    (tmp_path / "../x.po").resolve().write_bytes(po({"a": "b"}))
    (tmp_path / "<b>.po").write_bytes(po({"a": "b"}))
    (tmp_path / "fr.po").mkdir()
    (tmp_path / "it.po").symlink_to(tmp_path / "nowhere")
    (tmp_path / "es.po").write_bytes(b"\xff\xfe")
    (tmp_path / "pt_BR.po").write_bytes(po({"a": "b"}))
    shelf = Shelf(tmp_path, look_seconds=0)
    assert list(shelf.languages()) == ["en", "pt-BR"]
    assert list(shelf.languages()) == ["en", "pt-BR"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 5
    assert all(
        sum(name in line for line in told) == 1 for name in ("en.po", "<b>.po", "fr.po", "it.po", "es.po")
    )


# Templates


def rendered(template: str, translations: Mapping[str, str], **values: object) -> tuple[str, list[str]]:
    """What a template gives in a language, and its messages."""
    messages: list[str] = []

    def lookup(message: str, line: int) -> str | None:
        messages.append(message)
        return translations.get(message)

    environment = TranslatedEnvironment(lookup, loader=DictLoader({"t": template}), autoescape=True)
    return environment.get_template("t").render(values), messages


@pytest.mark.parametrize(
    ("template", "translations", "page"),
    [
        ("<p>Hello</p>", {"Hello": "Hallo"}, "<p>Hallo</p>"),
        ("<p>\n Hello </p>", {"Hello": "<b>&\"'"}, "<p> &lt;b&gt;&amp;&#34;&#39; </p>"),
        ("<p>a &lt; b &amp; c</p>", {"a < b & c": "{b} > {a}"}, "<p>{b} &gt; {a}</p>"),
        (
            '<p>See <a href="/{{ name }}">the list</a> of {{ name }}.</p>',
            {"See {a}the list{/a} of {name}.": "{name}: {a}Liste{/a}!"},
            '<p>&lt;x&gt;: <a href="/&lt;x&gt;">Liste</a>!</p>',
        ),
        (
            '<a href="/"><b>One</b></a> <i>two</i>',
            {"One": "Eins", "two": "zwei"},
            '<a href="/"><b>Eins</b></a> <i>zwei</i>',
        ),
        (
            '<p>{{ n }} node{{ "" if n == 1 else "s" }} here</p>',
            {"{n} node here": "{n} Knoten", "{n} nodes here": "Knoten: {n}"},
            "<p>Knoten: 2</p>",
        ),
        (
            '<input title="Name: {{ name }}" value="Name" placeholder="Name" class="Name">',
            {"Name: {name}": 'Q" onclick="{name}', "Name": "\"'>"},
            '<input title="Q&#34; onclick=&#34;&lt;x&gt;" value="Name" placeholder="&#34;&#39;&gt;" class="Name">',
        ),
        (
            '<li{% if n %} class="Hello"{% endif %}>Hello{% if n %} <b>you</b>{% else %} me{% endif %}</li>',
            {"Hello": "Hallo", "you": "du"},
            '<li class="Hello">Hallo <b>du</b></li>',
        ),
        (
            '<script>var Hello = "Hello";</script><p>{{ "Hello" if n else "No" }} {{ name or "Hello" }}</p>',
            {"Hello": "<Hallo>"},
            '<script>var Hello = "Hello";</script><p>&lt;Hallo&gt; &lt;x&gt;</p>',
        ),
        (
            "<p>Ask <code>Hello -c</code> first</p><code>Hello</code>",
            {"Ask {code} first": "Zuerst {code}"},
            "<p>Zuerst <code>Hello -c</code></p><code>Hello</code>",
        ),
        (
            '{% macro at() %} title="Hello" data-x="Hello"{% endmacro %}<p{{ at() }}>x > Hello</p>',
            {"Hello": "Hallo", "x > Hello": "y"},
            '<p title="Hallo" data-x="Hello">y</p>',
        ),
        ("<p>{% for one in [1, 2] %}Hello{% endfor %}</p>", {"Hello": "Hallo"}, "<p>HalloHallo</p>"),
        (
            '{% set x %}Hello {{ n }}{% endset %}<{% if n %}form{% else %}div{% endif %} title="{{ x }}">',
            {"Hello {n}": "<{n}>", "form": "bad"},
            '<form title="&lt;2&gt;">',
        ),
        ("<p>1 { 2 } {{ n }} Hello</p>", {}, "<p>1 { 2 } 2 Hello</p>"),
    ],
)
def test_a_template_in_another_language(template: str, translations: dict[str, str], page: str) -> None:
    found, messages = rendered(template, translations, name="<x>", n=2)
    assert found == page
    assert set(translations) - set(messages) <= {"form"}
    english = rendered(template, {}, name="<x>", n=2)[0]
    plain = Environment(loader=DictLoader({"t": template}), autoescape=True)
    assert english == plain.get_template("t").render(name="<x>", n=2)


# The template of a catalog, and a whole language


def test_the_texts_for_translators() -> None:
    known = texts()
    assert not read(catalog().encode())[1]
    entries, faults = read(pseudo.catalog())
    assert not faults
    assert {entry.message for entry in entries} == {"", *known}
    language, faults = language_of(pseudo.CODE, pseudo.catalog())
    assert (faults, len(language.texts)) == ([], len(known))
    wanted = {
        "Services": "what the code names",
        "User name": "a template",
        "{notes} notes": "words that depend on a number",
        "Passes the checks": "an argument of a macro",
        "New {title}": "composed in the code",
        "round robin": "a choice of the schema",
    }
    assert wanted.keys() <= known.keys()
    assert not [text for text in known if re.search('="|</|^\\W*$', text)]


def test_every_text_that_a_script_looks_up_is_known() -> None:
    """A text is written out where it is looked up, so that it is found there."""
    known = texts()
    calls = 0
    for path in sorted((Path(template.__file__).parent / "static").glob("*.js")):
        script = path.read_text("utf-8")
        for text in re.findall(r"\bsay\(([^,)]*)", script):
            calls += 1
            assert text.startswith('"'), (path.name, text)
        assert set(re.findall(r'\bsay\("([^"]*)"', script)) <= known.keys()
    assert calls > 20


PAGES = (
    "/", "/services", "/services/pools", "/services/pools/zz-pool", "/services/pools/-/new", "/services/nodes",
    "/services/virtual-servers/zz-web", "/catalogs", "/system/security", "/account", "/wizards",
)  # fmt: skip
NAMES = re.compile(
    r"pm1|admin|zz-\w+|[A-Z0-9]{2}(:[A-Z0-9]{2})+|\d{4}-\d\d-\d\dT[\d:]+Z|Ctrl K|English|python-httpx.*|[\w.:]+:\d+"
    r"|http 80|BuiltIn-DNS.*|discard|builtin_dns|DEFAULT|Default|the language, as its speakers call it"
)
"""What people, machines and objects are called, times, fingerprints, keys."""


async def test_hardly_any_text_of_the_main_pages_is_without_a_translation(tmp_path: Path) -> None:
    directory = tmp_path / "languages"
    directory.mkdir()
    (directory / f"{pseudo.CODE}.po").write_bytes(pseudo.catalog())
    async with open_site(tmp_path) as site, in_languages(site, directory, pseudo.CODE) as browser:
        control = site.running.control
        nodes = [{"node": "10.0.0.1:80"}]
        await control.edit(AUTHOR, [
            Put(ObjectId("pools", "zz-pool"), {"basic": {"nodes_table": nodes}}),
            Put(ObjectId("virtual_servers", "zz-web"), {"basic": {"enabled": True, "port": 80, "pool": "zz-pool"}}),
        ])  # fmt: skip
        assert await control.wait_in_force(control.revision, 10)
        assert pseudo.unmarked((await browser.get("/login")).text) == []
        await log_in(browser)
        known = {name for kind in ("monitors", "rules", "persistence") for name in control.names(kind)}
        for path in PAGES:
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert answer.text.count(pseudo.OPEN) > 50, path
            left = [
                text
                for text in pseudo.unmarked(answer.text)
                if not NAMES.fullmatch(text) and text not in known
            ]
            assert len(left) <= 1, (path, left)
