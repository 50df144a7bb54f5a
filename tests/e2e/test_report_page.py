"""The report in a real browser: no network, nothing cut or overlapping, on any screen, in the dark and on paper."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_multi_label import write

from browsers import MEASURES
from conftest import several_labels
from warm_commands import Command

HOSTILE = {
    "<script>x</script>": "tag", "<b>bold": "bold", "مراجعة سلبية": "arabic", "\u202eright to left": "override",
    "🙂🙃": "smile", "x" * 200: "long", "$\\frac{1}{2}$": "half", "a very long label that says much too much": "much",
}  # fmt: skip
# The printable width of A4 with the page's margins, in the browser's pixels.
A4 = 688

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def reports(
    tmp_path_factory: pytest.TempPathFactory, reviews: Path, tiny_model: Path, trifold_command: Command
) -> dict[str, Path]:
    """Name to the folder of a report, of each kind that there is."""
    folder = tmp_path_factory.mktemp("pages")
    rng = random.Random(0)
    hostile = [(f"a {word} thing number {n}", label) for label, word in HOSTILE.items() for n in range(25)]
    # One class is of few rows, and words that say nothing make mistakes.
    hostile += [(f"a rare thing number {n}", "rare") for n in range(5)]
    hostile += [("<img src=x onerror=alert(1)> " + "long" * 300, rng.choice([*HOSTILE])) for _ in range(30)]
    many = [(f"intent {rng.randrange(77) if n % 5 == 0 else n % 77} asked {n}", f"intent {n % 77}") for n in range(770)]
    story = folder / "story.txt"
    story.write_text("".join(f"On day {n} there was rain and the film was wet.\n" for n in range(200)))
    name = "a-file-" + "with-a-long-name-" * 8
    tfidf = ("--method", "tfidf")
    commands = {
        "compared": ("compare", reviews, "--methods", "tfidf,full", "--model", tiny_model, "--lr", "3e-3", "--epochs", 3),
        "hostile": ("finetune", rows_of(folder / f"{name}.jsonl", hostile), *tfidf, "--label-separator", ""),
        "several": ("finetune", write(folder / "moods.csv", several_labels(240)), *tfidf),
        "many": ("finetune", rows_of(folder / "many.jsonl", many), *tfidf),
        "pretrained": ("pretrain", story, "--model", tiny_model, "--epochs", 1, "--block-size", 32),
    }  # fmt: skip
    for kind, command in commands.items():
        done = trifold_command(*command, "--output-dir", folder / kind)
        assert done.returncode == 0, done.stderr
        assert "cannot be made" not in done.stderr
    explained = {"explained": ("--sample", 12), "words": ("--most", 40)}
    for kind, flags in explained.items():
        (folder / kind).mkdir()
        page = folder / kind / "report.html"
        done = trifold_command("explain", folder / "hostile", commands["hostile"][1], *flags, "--output", page)
        assert done.returncode == 0, done.stderr
    return {kind: folder / kind for kind in (*commands, *explained)}


def rows_of(path: Path, rows: list[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return path


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails the test if anything goes wrong in it, or if it asks for anything but itself."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    opened.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith("file:") else None)
    opened.on("requestfailed", lambda asked: problems.append(asked.url))
    opened.on(
        "console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.on("dialog", lambda dialog: problems.append(dialog.message))
    yield opened
    opened.close()
    assert problems == []


def test_it_shows_what_matters_first(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["compared"] / "report.html").as_uri())
    assert page.get_by_role("heading", level=1).inner_text() == "Which method to ship for reviews.csv?"
    assert "Ship " in page.get_by_label("Verdict").inner_text()
    assert page.locator("tr.ship th").first.inner_text().startswith(("tfidf", "full"))
    # The verdict, the leaderboard and the plot of score against cost are on the first screen, with five methods more.
    row = page.locator(".leaderboard tbody tr").first.bounding_box()["height"]
    for what in ("section.verdict", ".leaderboard", "section[aria-label='Score against cost'] svg"):
        box = page.locator(what).bounding_box()
        assert box["y"] + box["height"] <= 900 - 5 * row
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    body = page.inner_text("body")
    for part in ("Leaderboard", "The data", "How to reproduce", "trifold compare", "240 in the file = 240 used"):
        assert part in body
    assert page.locator("svg").count() == 6


KINDS = ("compared", "hostile", "several", "many", "pretrained", "explained", "words")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_and_nothing_overlaps(kind: str, page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports[kind] / "report.html").as_uri())
    for width, medium in ((1280, "screen"), (400, "screen"), (A4, "print")):
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(media=medium)
        found = page.evaluate(MEASURES)
        assert found["scrollWidth"] <= width, (width, found)
        for problem in ("outside", "cut", "overlapping", "repeatedIds", "skippedHeadings", "unnamed"):
            assert found[problem] == [], (width, medium, problem)
        if medium == "screen":
            # What is wider than its place scrolls there, by the keyboard, too.
            assert all(box["tabIndex"] == 0 and box["label"] for box in found["scrolling"]), found["scrolling"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["compared", "hostile", "explained"])
def test_all_text_can_be_read_in_the_light_and_in_the_dark(
    kind: str, scheme: str, page: Any, reports: dict[str, Path]
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto((reports[kind] / "report.html").as_uri())
    found = page.evaluate(MEASURES)
    assert len(found["contrasts"]) > 10
    assert [text for text in found["contrasts"] if text["ratio"] < 4.5] == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_hostile_labels_are_shown_as_they_are(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["hostile"] / "report.html").as_uri())
    body = page.inner_text("body")
    for label in ("<script>x</script>", "<b>bold", "مراجعة سلبية", "🙂🙃", "x" * 200):
        assert label in body
    # A long name is shortened where it would take all the room, and whole where one points at it.
    assert page.locator(f"bdi[title='{'x' * 200}']").first.inner_text() == "x" * 23 + "…"


def test_the_words_that_decided_are_marked_in_the_surest_mistakes(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["many"] / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.locator(".mistakes mark.decides").count() > 0
    assert "Without the underlined words, " in page.inner_text("body")
    page.goto((reports["hostile"] / "report.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    # A tag is no word: it is neither shown nor obeyed.
    assert "longlong" in page.inner_text(".mistakes >> nth=0")
    assert page.locator(".mistakes img").count() == 0


def test_mistakes_are_filtered_by_label_and_words(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["many"] / "report.html").as_uri())
    section = page.get_by_label("Mistakes of tfidf")
    items, rest = section.locator(".mistakes > li"), section.locator("details.rest")
    total = items.count()
    assert total > 8
    assert section.locator(".mistakes > li:visible").count() == 8
    assert rest.locator("summary").is_visible()
    chosen = section.get_by_label("true is").locator("option").nth(1)
    label, number = chosen.get_attribute("data-label"), chosen.get_attribute("value")
    section.get_by_label("true is").select_option(number)
    shown = section.locator(".mistakes > li:visible")
    assert 0 < shown.count() < total
    assert f"({shown.count()})" in chosen.inner_text()
    assert not rest.locator("summary").is_visible()
    assert all(f"true is {label}\n" in text for text in shown.all_inner_texts())
    said = section.get_by_role("status")
    assert said.inner_text() == f"{shown.count()} of these {total} shown: true is \u2068{label}\u2069."
    # What is filtered on the screen is what is printed, and the paper says by what.
    page.emulate_media(media="print")
    assert shown.count() == int(said.inner_text().split()[0])
    assert not section.locator("form").is_visible()
    assert said.is_visible()
    page.emulate_media(media="screen")
    section.get_by_label("with the words").fill("nowhere to be found")
    assert shown.count() == 0
    section.get_by_role("button", name="show all").click()
    page.wait_for_function("document.querySelector('.filtered').textContent === ''")
    assert rest.evaluate("one => one.open")
    assert shown.count() == total
    text = items.nth(total - 1).locator(".text").inner_text()
    section.get_by_label("with the words").fill(text.upper())
    assert text in shown.last.inner_text()


def test_labels_that_look_like_markup_are_filtered_as_they_are(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["hostile"] / "report.html").as_uri())
    section = page.get_by_label("Mistakes of tfidf")
    for words, label in (("said", "\u202eright to left"), ("true is", "<b>bold")):
        choice = section.get_by_label(words)
        choice.select_option(choice.locator(f"option[data-label='{label}']").get_attribute("value"))
        # Signs of direction in a label end with it.
        assert f"{words} \u2068{label}\u2069" in section.get_by_role("status").inner_text()
    assert section.locator(".mistakes > li:visible").count() > 0


def test_a_number_of_the_confusion_matrix_shows_its_mistakes(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["hostile"] / "report.html").as_uri())
    section = page.get_by_label("Mistakes of tfidf")
    number = page.locator(".matrix td button").first
    count = int(number.inner_text())
    section.get_by_label("with the words").fill("nowhere to be found")
    number.focus()
    page.keyboard.press("Enter")
    assert section.locator(".mistakes > li:visible").count() == count
    assert re.search("true is .*, said ", section.get_by_role("status").inner_text())
    assert section.get_by_label("true is").evaluate("one => one === document.activeElement")


def test_without_scripts_all_of_it_is_there(browser: Any, reports: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto((reports["many"] / "report.html").as_uri())
    section = opened.get_by_label("Mistakes of tfidf")
    assert not section.locator("form").is_visible()
    section.locator("details.rest > summary").click()
    assert section.locator(".mistakes > li:visible").count() == section.locator(".mistakes > li").count() > 8
    context.close()


def test_a_script_that_is_not_the_pages_own_does_not_run(
    browser: Any, reports: dict[str, Path], tmp_path: Path
) -> None:
    text = (reports["many"] / "report.html").read_text(encoding="utf-8")
    (tmp_path / "report.html").write_text(text.replace("</main>", "<script>document.title = 'x'</script></main>"))
    opened = browser.new_page()
    opened.goto((tmp_path / "report.html").as_uri())
    assert opened.title() != "x"
    assert opened.get_by_label("Mistakes of tfidf").locator("form").is_visible()
    opened.close()


def test_a_class_of_few_rows_stays_pale(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["hostile"] / "report.html").as_uri())
    row = page.locator(".matrix tbody tr", has=page.locator("th", has_text="rare"))
    cells = row.locator("td").evaluate_all(
        "cells => cells.map(one => [one.innerText, +one.style.getPropertyValue('--depth')])"
    )
    # Its one test row is all of the class; by its share alone it would be the deepest there is.
    assert sorted(cells)[-1] == ["1", 0.207]


def test_many_classes_are_shown_by_their_commonest_mistakes(page: Any, reports: dict[str, Path]) -> None:
    page.goto((reports["many"] / "report.html").as_uri())
    assert page.locator(".matrix").count() == 0
    body = page.inner_text("body")
    assert "What is taken for what most often" in body
    assert "All 77 classes" in body
    assert "the surest first" in body
    assert "All of them are in errors.csv" in body


def test_it_prints_on_a4(page: Any, reports: dict[str, Path], tmp_path: Path) -> None:
    page.goto((reports["compared"] / "report.html").as_uri())
    page.emulate_media(color_scheme="dark")
    page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    page.emulate_media(media="print", color_scheme="dark")
    # Black on white, whatever the screen has.
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
