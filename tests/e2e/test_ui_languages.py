"""An operator brings a language to a running traffic manager: who sees it, who does not, and what a wrong file does."""

from __future__ import annotations

import re

import httpx
from tests import pseudo
from tests.e2e.reader import Reader, forms_of
from tools.instance import Instance, wait_for

from pointsman.console.language.po import write

GERMAN = {
    "Log in": "Anmelden",
    "Services": "Dienste <script>alert(1)</script>",
    "Algorithm": 'Verfahren" onclick="x',
    "New {title}": "{title}: neu",
    "Pool": "Verbund",
    "{strong}{count}{/strong} of {name}": "nothing of it",
    "Page {page}, {count} in all": "Seite",
}
HEADER = "Content-Type: text/plain; charset=UTF-8\nX-Language-Name: Deutsch\n"


def in_german(reader: Reader, path: str) -> httpx.Response:
    """A page as a browser gets it that prefers German."""
    return reader.client.get(path, headers={"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"})


def test_a_language_is_brought_chosen_and_taken_away(shared: Instance, admin: Reader) -> None:
    directory = shared.home / "languages"
    assert '<html lang="en"' in in_german(admin, "/").text
    directory.mkdir()
    catalog = write(HEADER, [(message, text, ()) for message, text in GERMAN.items()])
    (directory / "de.po").write_text(catalog, encoding="utf-8")
    (directory / "fr.po").write_bytes(b'msgid "Log in"\nmsgstr "\xff\xfe"\n')

    def german() -> str:
        page = in_german(admin, "/services/pools/-/new").text
        return page if '<html lang="de"' in page else ""

    page = wait_for("the catalog is used", german)
    assert "<h1>Verbund: neu</h1>" in page
    assert ">Dienste &lt;script&gt;alert(1)&lt;/script&gt;</a>" in page
    assert "<script>alert" not in page
    assert 'onclick="' not in page
    assert '<html lang="en"' in admin.get("/").text
    output = shared.output.read_text()
    assert len(re.findall(r"de\.po, line \d+: .*\{page\}", output)) == 1
    assert len(re.findall(r"fr\.po, line 2: it is not UTF-8", output)) == 1

    account = admin.get("/account")
    sent = admin.send(account, admin.form(account, "/language"), {"language": "de"})
    assert sent.status_code == 200
    assert '<html lang="de"' in admin.get("/services").text
    with Reader(shared) as stranger:
        assert ">Anmelden</button>" in in_german(stranger, "/login").text
        assert ">Log in</button>" in stranger.get("/login").text

    (directory / "de.po").unlink()
    wait_for("the language is gone", lambda: '<html lang="en"' in in_german(admin, "/").text)
    account = admin.get("/account")
    assert "/language" not in {form.action for form in forms_of(account.text)}


def test_a_whole_language_and_forms_go_together(shared: Instance, admin: Reader) -> None:
    """A page in which every text is another one still works: a pool is made by its form."""
    directory = shared.home / "languages"
    directory.mkdir(exist_ok=True)
    (directory / f"{pseudo.CODE}.po").write_bytes(pseudo.catalog())
    spoken = {"Accept-Language": pseudo.CODE}
    wait_for("the language is used", lambda: pseudo.OPEN in admin.client.get("/", headers=spoken).text)
    admin.client.headers.update(spoken)
    page = admin.get("/services/pools/-/new")
    made = admin.send(page, admin.form(page, "/services/pools/-/new"), {"name": "shop"}, ("act", "apply"))
    assert made.status_code == 200
    assert shared.get("config/active/pools/shop")["properties"]["basic"]["nodes_table"] == []
    for path in (
        "/",
        "/services",
        "/services/pools/shop",
        "/services/nodes",
        "/diagnose",
        "/activity",
        "/account",
    ):
        answer = admin.get(path)
        assert answer.status_code == 200
        assert answer.text.count(pseudo.OPEN) > 30, path
    assert pseudo.OPEN in admin.get("/services/live").text
