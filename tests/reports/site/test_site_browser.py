"""The page as a reader has it: opened from a file in headless Chromium."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from reports.page import main
from tests.reports.site.site_evidence import (
    ACCURACIES,
    HOSTILE,
    NAMES,
    answers,
    labels,
    write_evidence,
    write_hostile,
    write_texts,
)

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
TITLES = {"demo/base-0": "base, seed 0", "hostile/one": HOSTILE, "demo/costs.json": "demo/costs.json"}
ARM = "#arm-table .tabulator-cell.arm > span > :first-child"
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    grids = [write_evidence(folder / "demo"), write_hostile(folder / "hostile")]
    texts = write_texts(folder / "texts.jsonl")
    assert main([*map(str, grids), "--out", str(folder / "site"), "--texts", f"listops={texts}"]) == 0
    return folder / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"), executable_path=CHROMIUM, args=FLAGS
        )
        yield context
        context.close()


@pytest.fixture
def page(browser: BrowserContext, site: Path) -> Iterator[Page]:
    """The page at a desk's width; whatever a test does, it must not complain, ask the network or run foreign code."""
    page, complaints = browser.new_page(), list[str]()
    page.set_default_timeout(5000)
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    page.on("request", lambda request: None if request.url.startswith("file:") else complaints.append(request.url))
    page.set_viewport_size({"width": 1280, "height": 900})
    page.emulate_media(color_scheme="light")
    page.goto((site / "index.html").as_uri())
    yield page
    assert page.locator("img[src='x']").count() == 0
    page.close()
    assert complaints == []


def shows(page: Page, *arms: str) -> None:
    """Wait for the table of arms to have these rows, in this order."""
    expect(page.locator(ARM)).to_have_text(list(arms))


def has(page: Page, key: str, *texts: str) -> None:
    """Wait for the first rows of a column to have these texts."""
    for place, text in enumerate(texts):
        expect(page.locator(f"#arm-table .tabulator-cell.{key}").nth(place)).to_have_text(text)


def go(page: Page, hash_: str) -> None:
    change = "addEventListener('hashchange', done); location.hash = hash;"
    page.evaluate(f"hash => new Promise((done) => {{ {change} }})", hash_)


def test_every_row_is_there_in_the_order_of_the_plan(page: Page) -> None:
    shows(page, *ACCURACIES, "majority", f"oracle {HOSTILE}", HOSTILE)
    has(page, "status", "2 of 2", "2 of 2", "1 of 2, 1 failed")
    expect(page.locator("#shown")).to_have_text("6 of 6 rows")


def test_numbers_sort_as_numbers_and_missing_stays_last(page: Page) -> None:
    head = page.locator(".tabulator-col.latency_b1_median_s")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    has(page, "latency_b1_median_s", "10.0 (15.0) @ 64", "9.50 (14.2) @ 64", "—")
    expect(head).to_have_attribute("aria-sort", "descending")
    page.keyboard.press("Enter")  # the head still has the focus
    has(page, "latency_b1_median_s", "9.50 (14.2) @ 64", "10.0 (15.0) @ 64", "—")
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("sort="))
    shows(page, *ACCURACIES, "majority", f"oracle {HOSTILE}", HOSTILE)


def test_every_column_sorts_both_ways(page: Page) -> None:
    keys = [column["key"] for column in page.evaluate("PARTS.get('index').columns")]
    assert {"accuracy", "difference", "n", "status", "parameters_total", "flops_forward"} < set(keys)
    for key in keys:
        rows = page.evaluate("key => PARTS.get('index').rows.map((row) => [row.arm, row[key].value ?? null])", key)
        there = [(arm, value) for arm, value in rows if value is not None]
        missing = [arm for arm, value in rows if value is None]
        for sign, order in (("", "ascending"), ("-", "descending")):
            go(page, f"#sort={sign}{key}.value")
            expect(page.locator(f".tabulator-col.{key}")).to_have_attribute("aria-sort", order)
            if not any(isinstance(value, str) for _, value in there):
                arms = [arm for arm, _ in sorted(there, key=lambda pair: pair[1], reverse=bool(sign))]
                values = dict(there)
                shown = page.locator(ARM).all_text_contents()
                assert [values[arm] for arm in shown[: len(arms)]] == [values[arm] for arm in arms]
                assert set(shown[len(arms) :]) == set(missing)
    go(page, "#sort=-arm")
    shows(page, f"oracle {HOSTILE}", "majority", "base+windowed", "base+layer_norm", "base", HOSTILE)


def test_filters_narrow_the_table_and_clear(page: Page) -> None:
    page.get_by_label("Find").fill("LAYER")
    shows(page, "base+layer_norm")
    page.get_by_label("Find").fill("")
    page.locator("#filters").get_by_label("Grid").select_option("demo")
    page.get_by_label("Rows").select_option("arm")
    page.get_by_text("Factors", exact=True).click()
    page.get_by_label("windowed").select_option("off")
    shows(page, "base", "base+layer_norm")
    page.get_by_label("windowed").select_option("on")
    shows(page, "base+windowed")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#shown")).to_have_text("6 of 6 rows")


def test_a_number_leads_to_its_runs_and_a_run_shows_all(page: Page) -> None:
    page.locator("#arm-table .tabulator-row", has_text="base+windowed").locator(".difference a").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("listitem")).to_have_count(4)
    dialog.get_by_role("link", name="demo/base+windowed-1").click()
    expect(dialog.get_by_role("heading", level=2)).to_have_text("base+windowed, seed 1")
    expect(dialog.locator("dl")).to_contain_text("abcdef0")
    expect(dialog.locator("pre").first).to_contain_text("name: listops")
    expect(dialog.locator("tr", has_text="test")).to_contain_text("63.00")
    expect(dialog.get_by_role("img", name="train loss: 2 at step 1")).to_be_visible()
    expect(dialog).to_contain_text("one point of 3")
    dialog.get_by_text("Environment", exact=True).click()
    expect(dialog.locator("pre", has_text="packages:")).to_contain_text("torch: 2.13.0")
    page.go_back()
    expect(dialog.get_by_role("listitem")).to_have_count(4)
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page).not_to_have_url(re.compile("from=|open="))


def test_a_link_restores_the_view(page: Page, browser: BrowserContext) -> None:
    page.get_by_label("Find").fill("base")
    page.locator(".tabulator-col.accuracy").click()
    page.locator("#arm-table .tabulator-cell.n a").first.click()
    page.get_by_role("link", name="demo/base+windowed-0").click()
    expect(page.get_by_role("heading", name="base+windowed, seed 0")).to_be_visible()
    other = browser.new_page()
    other.goto(page.url)
    expect(other.get_by_role("heading", name="base+windowed, seed 0")).to_be_visible()
    expect(other.locator("input[name=q]")).to_have_value("base")
    shows(other, "base+windowed", "base", "base+layer_norm", "majority")  # a baseline
    other.close()


def test_examples_where_two_arms_disagree(page: Page) -> None:
    form = page.locator("#pair")
    form.get_by_label("Examples of").select_option(index=1)
    form.get_by_label("Arm A").select_option("base")
    form.get_by_label("Arm B").select_option("base+windowed")
    form.get_by_label("Seed").select_option("1")
    a, b, label = answers("base", 1), answers("base+windowed", 1), labels()
    sides = [(a == label) & (b != label), (a != label) & (b == label), (a != b) & (a != label) & (b != label)]
    heads = ["only A is right", "only B is right", "both wrong, different answers"]
    texts = [f"{head}: {side.sum()}" for head, side in zip(heads, sides, strict=True)]
    expect(page.locator(".tabs a")).to_have_text(texts)
    page.locator(".tabs a", has_text="only B is right").click()
    rows = page.locator("#example-table .tabulator-row")
    wanted = [name for name, is_in in zip(NAMES, sides[1], strict=True) if is_in]
    expect(rows.locator("[tabulator-field=example]")).to_have_text(wanted)
    first = int(sides[1].nonzero()[0][0])
    cells = [NAMES[first], str(label[first]), f"{a[first]} ✗", f"{b[first]} ✓", f"text of {NAMES[first]} {HOSTILE}"]
    expect(rows.first.locator(".tabulator-cell")).to_have_text(cells)
    expect(page).to_have_url(re.compile("side=b"))
    expect(page).to_have_url(re.compile("seed=1"))


def test_nothing_is_wider_than_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    for source in ("demo/base-0", "hostile/one", "demo/costs.json"):
        go(page, f"#open={source}")
        expect(page.get_by_role("heading", level=2, name=TITLES[source])).to_be_visible()
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
        assert page.evaluate("document.querySelector('dialog').scrollWidth <= innerWidth")


def test_each_number_of_a_table_leads_to_its_runs(page: Page) -> None:
    table = page.locator(".table").first
    table.locator("summary").first.click()
    table.locator("[data-row='1'] a").last.click()
    dialog = page.get_by_role("dialog")
    assert {text.split()[0].split("/")[0] for text in dialog.get_by_role("listitem").all_text_contents()} == {"demo"}


def test_a_figure_is_shown(page: Page) -> None:
    figure = page.get_by_role("img", name="Test accuracy against FLOPs")
    figure.scroll_into_view_if_needed()
    expect(figure).to_be_visible()
    page.wait_for_function("element => element.naturalWidth > 100", arg=figure.element_handle())


def test_dark_mode_is_dark(page: Page) -> None:
    def brightness(of: str) -> float:
        color = page.evaluate("of => getComputedStyle(document.body)[of].match(/[0-9.]+/g).slice(0, 3).map(Number)", of)
        return sum(color) / 3

    assert brightness("backgroundColor") > 200 > 90 > brightness("color")
    page.emulate_media(color_scheme="dark")
    assert brightness("backgroundColor") < 60 < 180 < brightness("color")


def test_a_link_that_means_nothing_does_no_harm(page: Page) -> None:
    for hash_ in ("#from=constructor", "#open=nothing"):
        go(page, hash_)
        expect(page.get_by_role("heading", name="Not on this page")).to_be_visible()
    for hash_ in ("#sort=__proto__&set=x&a=y&side=constructor", "#arms", "#%E0%A4%A"):
        go(page, hash_)
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.locator("#arm-table .tabulator-row")).to_have_count(6)
