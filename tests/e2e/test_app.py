"""The app in a real browser, from a file to a file with labels, as someone goes who has never used a terminal."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from browsers import MEASURES
from conftest import write_reviews

HOSTILE = "<script>alert(1)</script> $HOME =cmd() `id`"
# Commands start cold here, on a machine that may be busy.
SLOW = 180_000

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow]


class Running:
    """An app that was started."""

    def __init__(self, process: "subprocess.Popen[str]", address: str, log: Path) -> None:
        self.process, self.address, self._log = process, address, log

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")


@contextmanager
def app(folder: Path, *more: str) -> Iterator[Running]:
    log = folder / f"app-{time.monotonic_ns()}.log"
    words = ("app", "--port", "0", "--no-open", "--folder", str(folder / "work"), *more)
    # What is printed has to arrive at once by itself.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "trifold", *words],
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            cwd=folder,
            env=env,
        )
    assert process.stdout is not None
    try:
        printed = "".join(process.stdout.readline() for _ in range(4 if "--json" in more else 1))
        address = json.loads(printed)["address"] if "--json" in more else printed.strip()
        assert address.startswith("http://127.0.0.1:"), log.read_text()
        yield Running(process, address, log)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()
        assert "Traceback" not in log.read_text()


@contextmanager
def opened(browser: Any, address: str, path: str = "") -> Iterator[Any]:
    """A page that fails the test if anything goes wrong in it, or if it asks for anything but its app."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(SLOW)
    problems: list[str] = []
    page.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith(address) else None)
    page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(address + path)
    yield page
    page.close()
    assert problems == []


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("TRIFOLD_SCREENSHOTS") or tmp_path_factory.getbasetemp() / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def look(page: Any, name: str, folder: Path) -> None:
    """Keep pictures of a page, wide and narrow, in the light and in the dark; nothing is cut and all can be read."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for width in (1280, 360):
            page.set_viewport_size({"width": width, "height": 900})
            found = page.evaluate(MEASURES)
            page.screenshot(path=folder / f"app-{name}-{width}-{scheme}.png", full_page=True)
            assert found["scrollWidth"] <= width, (name, found)
            for problem in ("outside", "cut", "overlapping", "repeatedIds", "skippedHeadings", "unnamed"):
                assert found[problem] == [], (name, width, problem)
            assert [text for text in found["contrasts"] if text["ratio"] < 4.5] == [], (name, scheme)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


def reviews_with_trouble(path: Path) -> Path:
    write_reviews(path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    rows += [["", "good"], [HOSTILE, "good"], [HOSTILE, "bad"], ["A film", ""]]
    # Words that say nothing make mistakes.
    rows += [[f"{HOSTILE} seen on day {number}", ("good", "bad")[number % 3 == 0]] for number in range(60)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def give(page: Any, path: Path, button: str) -> None:
    page.locator("input[type=file]").set_input_files(path)
    page.get_by_role("button", name=button).click()


def press(page: Any, button: str) -> None:
    """Go to a button by the Tab key alone, and press it."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == button:
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"{button} cannot be reached")


def test_from_a_file_of_reviews_to_a_file_with_labels(browser: Any, tmp_path: Path, screenshots: Path) -> None:
    reviews = reviews_with_trouble(tmp_path / "reviews.csv")
    with app(tmp_path) as running, opened(browser, running.address) as page:
        look(page, "1-first", screenshots)
        give(page, reviews, "Check this file")

        # What is wrong with the file, with the rows themselves.
        page.get_by_role("button", name="Go on: choose methods").wait_for()
        trouble = page.get_by_role("region", name="The rows with trouble").inner_text()
        assert "the text is empty" in trouble
        assert "the same text has another label" in trouble
        assert HOSTILE in trouble
        look(page, "2-check", screenshots)
        press(page, "Go on: choose methods")

        # The forecast, and one quick method of them.
        page.get_by_role("button", name="Compare them").wait_for()
        look(page, "3-methods", screenshots)
        for tick in page.get_by_role("checkbox").all():
            if tick.get_attribute("name") != "method-tfidf":
                tick.uncheck()
        assert "Forecast: about " in page.locator("#forecast").inner_text()
        page.get_by_label("Minutes at most, all together").fill("10")
        press(page, "Compare them")
        page.get_by_role("button", name="Stop").wait_for()
        page.reload()  # in the middle: the job is found again
        look(page, "4-comparing", screenshots)

        # What came of it.
        page.get_by_role("link", name="Try it on a text").wait_for()
        assert "Only tfidf was run: " in page.get_by_label("Verdict").inner_text()
        assert "tfidf" in page.get_by_role("region", name="Leaderboard").inner_text()
        assert "trifold compare" in page.get_by_label("Command", exact=True).inner_text()
        page.get_by_text("Read it here").click()
        report = page.frame_locator("iframe[title='The report']")
        assert "Which method to ship for reviews.csv?" in report.locator("h1").inner_text()
        look(page, "5-compared", screenshots)
        compared = page.url

        # The model on a text.
        page.get_by_role("link", name="Try it on a text").click()
        page.get_by_label("Text", exact=True).fill(f"A superb, moving film. {HOSTILE}")
        page.get_by_role("button", name="Find the label").click()
        answer = page.get_by_role("region", name="Answer")
        answer.get_by_role("heading", name="The words that decided").wait_for()
        assert "superb" in answer.locator("mark.decides").all_inner_texts()
        assert HOSTILE in page.get_by_label("Text", exact=True).input_value()
        look(page, "6-tried", screenshots)
        page.goto(compared)
        page.get_by_role("link", name="Look through its mistakes").click()
        page.get_by_text("on the test rows, the surest first").wait_for()
        assert HOSTILE in page.locator(".mistakes").inner_text()
        look(page, "7-mistakes", screenshots)

        # Another file gets its labels.
        page.get_by_role("link", name="Label a file").click()
        fresh = tmp_path / "fresh.csv"
        fresh.write_text(f"id,text\n1,A superb film.\n2,Dull and tedious.\n3,{HOSTILE}\n4,\n")
        look(page, "8-label", screenshots)
        give(page, fresh, "Label every row")
        link = page.get_by_role("link", name="Download the file with its labels")
        link.wait_for()
        look(page, "9-labelled", screenshots)
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == "fresh-labelled.csv"
        download.value.save_as(tmp_path / "got.csv")
        with (tmp_path / "got.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["id"] for row in rows] == ["1", "2", "3", "4"]
        assert [bool(row["prediction"]) for row in rows] == [True, True, True, False]
        assert rows[2]["text"] == HOSTILE
        page.goto(running.address)
        look(page, "10-jobs", screenshots)


def test_a_job_is_cancelled_goes_on_and_survives_the_app(browser: Any, tmp_path: Path, screenshots: Path) -> None:
    reviews = write_reviews(tmp_path / "reviews.csv")
    with app(tmp_path) as running, opened(browser, running.address) as page:
        give(page, reviews, "Check this file")
        page.get_by_role("button", name="Go on: choose methods").click()
        page.get_by_role("button", name="Compare them").wait_for()
        for tick in page.get_by_role("checkbox").all():
            if tick.get_attribute("name") not in ("method-tfidf", "method-full"):
                tick.uncheck()
        page.get_by_role("button", name="Compare them").click()
        page.get_by_role("region", name="Leaderboard").get_by_text("tfidf").wait_for()
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("What was done by then is kept: tfidf").wait_for()
        assert page.get_by_role("link", name="Label a file with it").is_visible()
        look(page, "11-stopped", screenshots)
        page.get_by_role("button", name="Go on from there").click()
        page.get_by_role("button", name="Stop").wait_for()
        address = page.url.removeprefix(running.address)
        time.sleep(1)
    assert "1 job not done: what runs goes on" in running.said()
    with app(tmp_path, "--json") as running, opened(browser, running.address, address) as page:
        page.get_by_role("button", name="Stop").click()
        page.get_by_role("button", name="Go on from there").wait_for()


def test_texts_without_labels_are_searched_and_summarized(browser: Any, tmp_path: Path, screenshots: Path) -> None:
    texts = tmp_path / "texts.csv"
    rows = [("The cat sleeps on the warm roof. It is grey.", "pets"), (f"{HOSTILE} is no film.", HOSTILE)]
    rows += [(f"The train to town number {number} was late again. Nobody said why.", "trains") for number in range(9)]
    with texts.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([("remark", "kind"), *rows])
    with app(tmp_path) as running, opened(browser, running.address) as page:
        page.get_by_role("link", name="search in them").click()
        look(page, "12-documents", screenshots)
        give(page, texts, "Begin")
        page.get_by_role("link", name="Search in it").click()
        page.get_by_label("What you look for").fill("a sleeping cat")
        page.keyboard.press("Enter")
        answers = page.get_by_role("region", name="Answers")
        answers.get_by_role("heading", name="The best").wait_for()
        assert "The cat sleeps" in answers.get_by_role("listitem").first.inner_text()
        look(page, "13-searched", screenshots)
        page.get_by_label("What you look for").fill(HOSTILE)
        page.keyboard.press("Enter")
        page.get_by_text(f"kind: {HOSTILE}").wait_for()
        page.get_by_role("link", name="Another file of texts").click()
        page.get_by_label("Summarize each row").check()
        give(page, texts, "Begin")
        link = page.get_by_role("link", name="Download the result")
        link.wait_for()
        look(page, "14-summarized", screenshots)
        with page.expect_download() as download:
            link.click()
        assert download.value.suggested_filename == "texts-summaries.csv"


def test_two_prompts_are_tried_on_rows_and_compared(
    browser: Any, decoder: Path, tmp_path: Path, screenshots: Path
) -> None:
    reviews = write_reviews(tmp_path / "reviews.csv", 12)
    task = 'task = "Text: {text}\\nLabel:"\noutput = { labels = ["bad", "good"] }\nvariables = { text = "" }\n'
    with app(tmp_path) as running, opened(browser, running.address) as page:
        give(page, reviews, "Check this file")
        page.get_by_role("heading", name="The labels").wait_for()
        for name, role in (("plain", ""), ("with a role", 'role = "You label texts."\n')):
            page.goto(f"{running.address}/prompts")
            page.get_by_label("Name").fill(name)
            page.get_by_label("Prompt", exact=True).fill(role + task)
            page.get_by_role("button", name="Save it").click()
            page.get_by_label("How many rows").fill("4")
            page.get_by_label("Language model").fill(f"hf:{decoder}")
            look(page, "15-prompt", screenshots)
            page.get_by_role("button", name="Ask").click()
            page.get_by_role("link", name="Download the result").wait_for()
            assert page.get_by_role("region", name="The first rows").get_by_text("answer").is_visible()
        page.get_by_role("link", name="The prompt", exact=True).click()
        page.get_by_role("button", name="Compare").click()
        page.get_by_text("0 of the 4 rows that both have answered").wait_for()
        assert '+role = "You label texts."' in page.get_by_label("Differences").inner_text()
        look(page, "16-compared-prompts", screenshots)
