"""The report in a real browser: it opens from the disk, asks the network for nothing, and shows the verdict."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-quic", "--no-first-run"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield running
        running.close()


@pytest.mark.filterwarnings("default")
def test_it_opens_without_network_and_shows_what_matters(
    browser: Any, reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Any
) -> None:
    flags = ("--methods", "tfidf,full", "--model", tiny_model, "--lr", "3e-3", "--epochs", "3")
    done = trifold_command("compare", reviews, *flags, "--output-dir", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    page = browser.new_page(viewport={"width": 1100, "height": 900})
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "run" / "report.html").as_uri())
    assert problems == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.get_by_role("heading", level=1).inner_text() == "Which method to ship for reviews.csv?"
    assert "Ship " in page.get_by_label("Verdict").inner_text()
    assert page.locator("tr.ship td").first.inner_text().startswith(("tfidf", "full"))
    assert page.locator("svg").count() == 6
    body = page.inner_text("body")
    for part in ("Leaderboard", "The data", "How to reproduce", "trifold compare", "240 in the file = 240 used"):
        assert part in body
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
