"""The page in a browser, opened from disk; CONTRIBUTING.md says how to run these."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ragdiag import audit
from tests.audit.handbook import HANDBOOK, QUERY_VECTORS, build
from tests.report import hostile

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = ROOT / "build" / "screenshots"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 900}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as engine:
        started = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--headless"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the pages: the handbook's, and that of two hundred hostile texts."""
    folder = tmp_path_factory.mktemp("pages")
    store = f"faiss:{build(folder / 'store')}"
    reports = {
        "handbook": audit(store, judgements=HANDBOOK, query_vectors=str(QUERY_VECTORS)),
        "hostile": audit(hostile.store(), query_vectors=hostile.queries()),
    }
    for name, report in reports.items():
        (folder / f"{name}.html").write_text(report.to_html(), encoding="utf-8")
    return {name: folder / f"{name}.html" for name in reports}


def until(page: Any, expression: str) -> None:
    """Wait until an expression holds; the policy of the page forbids what playwright's own waiting does."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"this did not come true: {expression}")


class Opened:
    """A page that was opened from disk, with all that went wrong on it.

    Attributes
    ----------
    page : playwright.sync_api.Page
    trouble : list of str
        Messages on the console, uncaught errors, and requests other than that for the file.
    """

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.trouble: list[str] = []
        self.page = browser.new_context(**options).new_page()
        self.page.on("console", lambda message: self.trouble.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))
        self.page.on("request", lambda request: self._asked(request.url, path))
        self.page.goto(path.as_uri())
        until(
            self.page,
            "[...document.querySelectorAll('[data-figure]')].every(chart => chart.querySelector('svg.main-svg'))",
        )

    def _asked(self, url: str, path: Path) -> None:
        if url != path.as_uri() and not url.startswith(("data:", "blob:")):
            self.trouble.append(f"request: {url}")


@pytest.mark.parametrize("name", ["handbook", "hostile"])
@pytest.mark.parametrize("look", LOOKS)
def test_it_opens_from_disk_and_every_section_renders(
    browser: Any, files: dict[str, Path], name: str, look: str
) -> None:
    opened = Opened(browser, files[name], **LOOKS[look])
    page = opened.page
    for section in page.query_selector_all("section"):
        box = section.bounding_box()
        assert box is not None
        assert box["height"] > 40
    for chart in page.query_selector_all("[data-figure]"):
        assert chart.query_selector_all(".trace, .point, .bars path, .scatterlayer path"), chart.get_attribute(
            "data-figure"
        )
    # Nothing reaches over the edge, whatever a text says.
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.querySelectorAll('script').length") == 3
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png", full_page=True)
    assert opened.trouble == []


def test_the_colours_follow_the_system(browser: Any, files: dict[str, Path]) -> None:
    page = Opened(browser, files["handbook"], **LOOKS["light"]).page
    colour = "getComputedStyle(document.querySelector('[data-figure=cosines] .xtick text')).fill"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    until(page, f"{colour} !== {json.dumps(light)}")
    assert (light, page.evaluate(colour)) == ("rgb(61, 70, 80)", "rgb(195, 202, 211)")


def test_layers_are_switched_by_keyboard_and_said(browser: Any, files: dict[str, Path]) -> None:
    opened = Opened(browser, files["handbook"], **LOOKS["light"])
    page = opened.page
    shown = "document.querySelector('[data-figure=map]').data.find(trace => trace.meta === 'duplicates').visible"
    assert page.evaluate(shown) == "legendonly"
    page.focus("input[value=duplicates]")
    page.keyboard.press("Space")
    until(page, f"{shown} === true")
    assert "Duplicates 28" in page.inner_text("#map-status")
    page.uncheck("input[value=documents]")
    until(page, "!document.getElementById('map-status').textContent.includes('Documents')")
    assert opened.trouble == []


def test_the_layout_changes_to_tsne_and_back(browser: Any, files: dict[str, Path]) -> None:
    opened = Opened(browser, files["handbook"], **LOOKS["light"])
    page = opened.page
    place = "JSON.stringify([...document.querySelector('[data-figure=map]').data[0].x].slice(0, 3))"
    before = page.evaluate(place)
    page.check("input[value=tsne]")
    until(page, f"{place} !== {json.dumps(before)}")
    assert "t-SNE" in page.text_content("[data-figure=map] .xtitle")
    page.check("input[value=pca]")
    until(page, f"{place} === {json.dumps(before)}")
    assert opened.trouble == []


@pytest.mark.parametrize("name", ["handbook", "hostile"])
def test_hovering_shows_the_chunk(browser: Any, files: dict[str, Path], name: str) -> None:
    opened = Opened(browser, files[name], **LOOKS["light"])
    page = opened.page
    for layer in ("documents", "queries"):
        page.uncheck(f"input[name=layer][value={layer}]")
    page.locator("[data-figure=map]").scroll_into_view_if_needed()
    point = page.locator("[data-figure=map] .scatterlayer .point").first
    box = point.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("[data-figure=map] .hoverlayer .hovertext")
    words = page.text_content("[data-figure=map] .hoverlayer")
    wanted = "hb-0" if name == "handbook" else "hacked"
    assert wanted in words
    assert page.query_selector("[data-figure=map] .hoverlayer a") is None
    assert opened.trouble == []


def test_it_works_on_paper(browser: Any, files: dict[str, Path]) -> None:
    opened = Opened(browser, files["handbook"], **LOOKS["dark"])
    opened.page.emulate_media(media="print")
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.page.is_visible("nav")
    assert len(opened.page.pdf()) > 50_000
    assert opened.trouble == []


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not here: make browser fetches it")
@pytest.mark.parametrize("name", ["handbook", "hostile"])
@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing_serious(browser: Any, files: dict[str, Path], name: str, look: str) -> None:
    page = Opened(browser, files[name], **LOOKS[look]).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("axe.run()")
    assert len(found["passes"]) > 20
    serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:200] for node in one["nodes"][:5]]) for one in serious] == []
