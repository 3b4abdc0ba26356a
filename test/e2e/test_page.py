# SPDX-License-Identifier: Apache-2.0
"""The page for people, in a headless Chromium. SEXTANT_SCREENSHOTS=FOLDER keeps pictures of it to look at."""
import json
import os
import urllib.parse

import browser as chromium
import pytest
from sextant import ROOT, request, wait_for

pytestmark = pytest.mark.skipif(not chromium.find(), reason="no chromium: scripts/deps.sh test installs it on Debian")

MAP = "users europe=eu north-america=us *=ap\ndocs-*,notes *=eu,us,ap copies=external\n* *=eu"
NARROW, WIDE = 360, 1400
ASSETS = os.path.join(ROOT, "proxy/admin/assets")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    one = chromium.Browser(tmp_path_factory.mktemp("chromium"))
    yield one
    one.close()


@pytest.fixture
def page(browser):
    """A function that opens the page of an edge. Whatever it did: no complaint, nothing asked of another host."""
    opened = []

    def start(one, expected=(), **options):
        opened.append((browser.page(f"http://127.0.0.1:{one.admin_port}/", **options), one, expected))
        return opened[-1][0]
    yield start
    for tab, one, expected in opened:
        tab.run("1")  # events up to here have been read then
        complaints = [c for c in tab.complaints if not any(word in c for word in expected)]
        hosts = {urllib.parse.urlsplit(url).netloc for url in tab.requests if not url.startswith(("data:", "about:"))}
        tab.close()
        assert not complaints, complaints
        assert hosts == {f"127.0.0.1:{one.admin_port}"}


def picture(tab, name):
    folder = os.environ.get("SEXTANT_SCREENSHOTS")
    if folder:
        os.makedirs(folder, exist_ok=True)
        tab.screenshot(os.path.join(folder, f"{name}.png"))


def ask(one, times=5):
    for caller in ("DE", "US", "JP"):
        for _ in range(times):
            one.call("POST", "/collections/users/points/scroll", {}, caller)


def live(tab):
    tab.wait("document.querySelector('#live').textContent === 'live'")
    tab.wait("document.querySelectorAll('#map .country').length > 100 && document.querySelectorAll('#map .clusters > g').length")


def cluster(name):
    return f"[...document.querySelectorAll('table.clusters tbody')].find(b => b.dataset.key === '{name}')"


def test_shows_the_clusters_and_lives(regions, edge, page):
    one = edge(regions, MAP)
    ask(one)
    tab = page(one)
    live(tab)
    picture(tab, "light")
    for region in regions:
        assert "up" in tab.run(f"{cluster(region.name)}.innerText")
    assert tab.run("document.querySelectorAll('#map .clusters .mark.good').length") == 3
    assert "europe" in tab.text("table.rules") and "docs-*, notes" in tab.text("table.rules")
    tab.wait("document.querySelector('table.callers').innerText.includes('Germany')")
    tab.wait("document.querySelector('#map .country[class*=step] title')?.textContent.includes('requests/s')")
    regions[1].kill()
    tab.wait(f"{cluster('us')}.innerText.includes('refused the connection')")
    assert tab.run(f"{cluster('us')}.querySelector('.fold').getAttribute('aria-expanded')") == "true"
    assert tab.run("document.querySelectorAll('#map .clusters .mark.bad').length") == 1
    assert "us/1" in tab.text("#events") and "refused the connection" in tab.text("#events")
    assert tab.run("document.title").startswith("1 down")
    picture(tab, "down")
    regions[1].start()
    tab.wait(f"{cluster('us')}.querySelector('.mark').classList.contains('good')")
    tab.wait("document.querySelector('#events').innerText.includes('in use again')")


def order(one, path, body):
    status, _, raw = request(one.admin_port, "POST", path, body, {"content-type": "application/json"})
    assert status == 200, raw


def test_shows_what_operators_ordered(regions, edge, page):
    one = edge(regions, "* *=eu,us,ap copies=external")
    tab = page(one)
    live(tab)
    order(one, "/drain", {"target": "us", "reason": "<b>disk</b> change", "by": "anna"})
    tab.wait(f"{cluster('us')}.querySelector('.cluster .mark').classList.contains('off')")
    assert "<b>disk</b> change" in tab.run(f"{cluster('us')}.innerText") and "anna" in tab.run(f"{cluster('us')}.innerText")
    assert "<b>disk</b> change" in tab.text("#events")
    picture(tab, "ordered")
    order(one, "/up", {"target": "us"})
    tab.wait(f"{cluster('us')}.querySelector('.cluster .mark').classList.contains('good')")


def test_shows_copies(regions, edge, page, tmp_path):
    (tmp_path / "journal").mkdir()
    key = "client-key-0123456789"
    one = edge(regions, "* *=eu,us,ap fanout=async", owns="eu", journal_dir=tmp_path / "journal", journal_quota="64MiB", api_key=key)
    body = {"vectors": {"size": 2, "distance": "Dot"}}
    wait_for(lambda: one.call("PUT", "/collections/notes", body, headers={"api-key": key})[0] in (200, 409), 20, "the collection")
    tab = page(one, width=WIDE, height=900)
    live(tab)
    tab.wait("[...document.querySelectorAll('table.lanes tbody th')].map((e) => e.textContent).join() === 'eu → us,eu → ap'")
    tab.wait("[...document.querySelectorAll('table.lanes .state')].every((e) => e.textContent === 'equal')")
    assert "of 64.0 MiB, does not fill. Writes under way: 0." in tab.run("document.querySelector('#journal').textContent")
    regions[1].kill()
    assert one.call("PUT", "/collections/notes/points?wait=true", {"points": [{"id": 1, "vector": [1, 2]}]},
                    headers={"api-key": key})[0] == 200
    tab.wait("document.querySelector('table.lanes tbody .state').textContent === 'ships'")
    tab.wait("!document.querySelector('table.lanes tbody .why').hidden")
    picture(tab, "copies")
    assert tab.run("document.querySelector('#changes').hidden")
    order(one, "/freeze", {"target": "notes", "reason": "<b>ap</b> moves", "by": "anna"})
    tab.wait("document.querySelector('#changes').innerText.includes('*, partition * of eu: writes are frozen for')")
    shown = tab.text("#changes")
    assert "<b>ap</b> moves" in shown and "anna" in shown and "left: " in shown, shown
    picture(tab, "frozen")
    order(one, "/unfreeze", {"target": "notes"})
    tab.wait("document.querySelector('#changes').hidden")


def test_explains_by_keyboard_alone(regions, edge, page):
    one = edge(regions, MAP)
    tab = page(one)
    live(tab)
    tab.press("Tab")
    assert tab.run("document.activeElement.className") == "skip"
    for _ in range(40):
        if tab.run("document.activeElement.name") == "collection":
            break
        tab.press("Tab")
        assert tab.run("document.activeElement.matches(':focus-visible') && getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert tab.run("document.activeElement.name") == "collection"
    tab.type("users")
    tab.press("Tab")
    tab.type("192.0.2.7")
    tab.press("Enter")
    tab.wait("document.querySelector('#answer .verdict')?.innerText.startsWith('from eu')")
    assert "line 1: users europe=eu" in tab.text("#answer")
    # A row is opened with a key, and stays open when fresh answers come.
    tab.run(f"{cluster('ap')}.querySelector('.fold').focus()")
    tab.press("Enter")
    assert tab.run(f"{cluster('ap')}.querySelector('tr.endpoint').hidden") is False
    shown = tab.text("#facts")
    tab.wait(f"document.querySelector('#facts').innerText !== {json.dumps(shown)}")
    assert tab.run(f"{cluster('ap')}.querySelector('tr.endpoint').hidden") is False
    assert tab.run("document.activeElement.className") == "fold"


HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_what_others_wrote_stays_text(regions, edge, page, tmp_path):
    file = tmp_path / "map"
    file.write_text("a&ltb,'b' *=eu\n* *=us\n")
    one = edge(regions, str(file))
    file.write_text("<script>alert(2)</script> *=eu\n")
    tab = page(one, expected=["400 (Bad Request)"])
    live(tab)
    tab.wait("document.querySelector('#events').innerText.includes('<script>alert(2)')")
    assert "a&ltb, 'b'" in tab.text("table.rules")
    for name, value in (("collection", HOSTILE), ("ip", HOSTILE), ("ip", ""), ("path", f"/collections/{HOSTILE}/points")):
        tab.run(f"document.querySelector('[name={name}]').value = {json.dumps(value)}; document.querySelector('#answer').replaceChildren()")
        tab.run("document.querySelector('#explain').requestSubmit()")
        tab.wait("document.querySelector('#answer').innerText.trim()")
    assert tab.run("document.querySelectorAll('main img, main script, main iframe').length") == 0
    picture(tab, "hostile")


def test_fits_and_can_be_read(regions, edge, page):
    one = edge(regions[:2], "* *=eu,us copies=external")
    ask(one)
    tab = page(one)
    live(tab)
    for width, scheme in ((NARROW, "light"), (NARROW, "dark"), (WIDE, "light"), (WIDE, "dark")):
        tab.size(width, 900)
        tab.prefer(scheme)
        tab.wait(f"innerWidth === {width} && matchMedia('(prefers-color-scheme: {scheme})').matches")
        assert tab.run("document.documentElement.scrollWidth") <= width
        assert is_light(tab) == (scheme == "light")
        assert contrast(tab, "#facts dt") >= 4.5 and contrast(tab, "table.clusters td") >= 4.5
        picture(tab, f"{scheme}-{width}")
    for theme in ("light", "dark"):
        tab.run("document.querySelector('#theme').click()")
        assert tab.text("#theme") == f"Theme: {theme}" and is_light(tab) == (theme == "light")
        assert contrast(tab, "#facts dt") >= 4.5


def is_light(tab):
    ground, ink = (tab.run(f"getComputedStyle(document.documentElement).{of}") for of in ("backgroundColor", "color"))
    return sum(rgb(ground)) > sum(rgb(ink))


def rgb(color):
    return [float(part) for part in color[color.index("(") + 1:-1].split(",")[:3]]


def contrast(tab, selector):
    """By WCAG 2, of an element's text against the paper."""
    def luminance(color):
        linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb(color)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    ink = luminance(tab.run(f"getComputedStyle(document.querySelector('{selector}')).color"))
    paper = luminance(tab.run("getComputedStyle(document.querySelector('section')).backgroundColor"))
    return (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)


def test_says_when_the_edge_is_gone(regions, edge, page):
    one = edge(regions[:1], "* *=eu")
    tab = page(one, expected=["ERR_CONNECTION"])
    live(tab)
    one.stop()
    tab.wait("!document.querySelector('#stale').hidden && document.querySelector('#live').textContent === 'not live'")
    assert "old" in tab.text("#stale") and "cannot be reached" in tab.text("#stale")
    picture(tab, "stale")
    one.env["SEXTANT_ADMIN_LISTEN"] = f"127.0.0.1:{one.admin_port}"
    one.start()
    tab.run("document.querySelector('#retry').click()")
    live(tab)
    assert tab.run("document.querySelector('#stale').hidden")


def test_asks_for_the_token(regions, edge, page, tmp_path):
    file = tmp_path / "token"
    file.write_text("correct-horse-battery\n")
    one = edge(regions[:1], "* *=eu", settle=False, admin_token_file=str(file))
    tab = page(one, expected=["401 (Unauthorized)"])
    tab.wait("document.activeElement.id === 'token-value' && document.querySelector('#main').hidden")
    tab.type("wrong-horse-battery")
    tab.press("Enter")
    tab.wait("document.querySelector('#token-error').innerText.includes('not the token')")
    tab.type("correct-horse-battery")
    tab.press("Enter")
    live(tab)
    tab.run("document.querySelector('[name=collection]').value = 'c'; document.querySelector('#explain').requestSubmit()")
    tab.wait("document.querySelector('#answer .verdict') !== null")
    picture(tab, "token")
    assert "correct-horse" not in tab.run("document.documentElement.outerHTML + document.cookie + JSON.stringify(localStorage)")


def test_assets_are_sent_once(regions, edge):
    one = edge(regions[:1], "* *=eu")
    for name in set(os.listdir(ASSETS)) - {"index.html"}:
        with open(os.path.join(ASSETS, name), "rb") as file:
            assert request(one.admin_port, "GET", f"/assets/{name}")[2] == file.read(), name
    for path, kind in (("/", "text/html"), ("/assets/app.js", "text/javascript"), ("/assets/world.json", "application/json")):
        status, headers, body = request(one.admin_port, "GET", path)
        assert status == 200 and headers["content-type"].startswith(kind) and body
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-cache"
        assert "default-src 'none'" in headers["content-security-policy"] and "unsafe" not in headers["content-security-policy"]
        for tag in (headers["etag"], f"\"other\", W/{headers['etag']}"):
            status, again, body = request(one.admin_port, "GET", path, headers={"if-none-match": tag})
            assert status == 304 and not body and again["etag"] == headers["etag"]
        assert request(one.admin_port, "GET", path, headers={"if-none-match": "\"other\""})[0] == 200
    status, headers, body = request(one.admin_port, "HEAD", "/")
    assert status == 200 and not body and int(headers["content-length"]) > 1000
