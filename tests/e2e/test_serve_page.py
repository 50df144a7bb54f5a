"""The page of a server in a real browser: texts are tried, files are labelled, and nothing outside is asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_serve import KEY, Running, serving

import served_runs
from browsers import MEASURES
from trifold.inference.run import load_run
from trifold.inference.stream import predict_file

TEXT = "The film is superb, the cast moving; <script>alert(1)</script>"

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served_runs.films(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def server(films: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    base = tmp_path_factory.getbasetemp()
    with serving(
        tmp_path_factory.mktemp("serving"), films, served_runs.moods(base), served_runs.pairs(base)
    ) as running:
        yield running


@pytest.fixture
def page(browser: Any, server: Running) -> Iterator[Any]:
    yield from opened_page(browser, server)


def is_problem(said: Any) -> bool:
    refusal = "Failed to load resource: the server responded with a status of 4"
    return said.type in ("error", "warning") and not said.text.startswith(refusal)


def opened_page(browser: Any, server: Running, **options: Any) -> Iterator[Any]:
    """A page that fails the test if anything goes wrong in it, or if it asks for anything but its server."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
    problems: list[str] = []
    inside = (server.address, f"blob:{server.address}")
    page.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith(inside) else None)
    # The browser itself says of each refusal that it is one; the page is to tell why.
    page.on("console", lambda said: problems.append(said.text) if is_problem(said) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.goto(server.address)
    yield page
    page.close()
    assert problems == []


@pytest.fixture(scope="module")
def reviews_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("dropped") / "new reviews.csv"
    rows = "".join(f"{n},a {('superb', 'dull')[n % 2]} film number {n}\n" for n in range(2_000))
    path.write_text(f"id,text\n{rows}2000,\n")
    return path


def test_a_text_gets_its_label_its_bars_and_the_words_that_decided(page: Any) -> None:
    page.get_by_label("Text", exact=True).fill(TEXT)
    page.get_by_role("button", name="Find the label").click()
    answer = page.get_by_role("region", name="Answer")
    answer.get_by_role("heading", name="good").wait_for()
    assert answer.locator("meter").count() == 2
    words = page.get_by_role("region", name="Deciding words")
    words.get_by_role("heading").wait_for()
    assert "superb" in words.locator("mark.decides").all_inner_texts()
    # Markup is shown as what it means to a reader, which is nothing, and is not obeyed.
    assert "alert(1)" in words.inner_text()
    assert page.locator("main script").count() == 0


def test_it_works_by_the_keyboard(page: Any) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "run"
    page.keyboard.type("moods")
    page.keyboard.press("Tab")
    page.keyboard.type("superb cast")
    page.keyboard.press("Control+Enter")
    page.get_by_role("region", name="Answer").get_by_role("heading", name="cast, praise").wait_for()


def test_a_run_on_pairs_asks_for_two_texts(page: Any) -> None:
    assert not page.get_by_label("Second text").is_visible()
    page.get_by_label("Model", exact=True).select_option("pairs")
    page.get_by_label("Text", exact=True).fill("The plot is superb")
    page.get_by_label("Second text").fill("The plot is dull")
    page.get_by_role("button", name="Find the label").click()
    page.get_by_role("region", name="Answer").get_by_role("heading", name="same").wait_for()


def test_what_is_wrong_is_told_on_the_page(page: Any) -> None:
    page.get_by_label("Text", exact=True).fill("\u200b")
    page.get_by_role("button", name="Find the label").click()
    page.get_by_text("the text is empty").wait_for()


def test_of_a_text_that_is_refused_nothing_of_the_one_before_is_left(page: Any) -> None:
    page.get_by_label("Text", exact=True).fill("a superb film")
    page.get_by_role("button", name="Find the label").click()
    words = page.get_by_role("region", name="Deciding words")
    words.get_by_role("heading").wait_for()
    page.get_by_label("Text", exact=True).fill("\u200b")
    page.get_by_role("button", name="Find the label").click()
    page.get_by_text("the text is empty").wait_for()
    assert words.inner_text() == ""


def test_a_file_is_labelled_and_comes_back(page: Any, reviews_file: Path, films: Path, tmp_path: Path) -> None:
    page.get_by_label("CSV, TSV").set_input_files(reviews_file)
    page.get_by_role("button", name="Label every row").click()
    link = page.get_by_role("link", name="Download the file with its labels")
    link.wait_for(timeout=60_000)
    assert page.get_by_role("status").inner_text() == "2,000 rows labelled, 1 unreadable"
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "new reviews-labelled.csv"
    download.value.save_as(tmp_path / "got.csv")
    from trifold.data.settings import ResultSettings

    predict_file(load_run(films), reviews_file, result=ResultSettings(output=tmp_path / "expected.csv"))
    assert (tmp_path / "got.csv").read_text() == (tmp_path / "expected.csv").read_text()


def test_a_file_can_be_dropped(page: Any) -> None:
    dropped = page.evaluate_handle(
        "() => { const found = new DataTransfer(); found.items.add(new File(['text\\na superb film\\n'], 'a.csv')); return found; }"
    )
    page.dispatch_event("#drop", "dragover", {"dataTransfer": dropped})
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    page.get_by_role("link", name="Download the file with its labels").wait_for()
    assert page.get_by_role("status").inner_text() == "1 row labelled"


def test_a_server_that_is_gone_is_told_of(browser: Any, films: Path, tmp_path: Path) -> None:
    with serving(tmp_path, films) as running:
        page = browser.new_page()
        page.goto(running.address)
        running.process.terminate()
        assert running.process.wait(timeout=30) == 0
        page.get_by_label("Text", exact=True).fill("superb")
        page.get_by_role("button", name="Find the label").click()
        page.get_by_text("The server does not answer: it may have been stopped.").wait_for()
        page.close()


def test_a_file_can_be_stopped(page: Any, tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    path.write_text("text\n" + "superb film\n" * 400_000)
    page.get_by_label("CSV, TSV").set_input_files(path)
    page.get_by_role("button", name="Label every row").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped.").wait_for()
    assert not page.get_by_role("link", name="Download the file with its labels").is_visible()


def test_with_a_key_the_page_asks_for_it(browser: Any, films: Path, reviews_file: Path, tmp_path: Path) -> None:
    with serving(tmp_path, films, env={"TRIFOLD_API_KEY": KEY}) as running:
        for page in opened_page(browser, running):
            assert "accuracy" not in page.inner_text("body")
            page.get_by_label("Key", exact=True).fill(KEY)
            page.get_by_label("Text", exact=True).fill("superb")
            page.get_by_role("button", name="Find the label").click()
            page.get_by_role("region", name="Answer").get_by_role("heading", name="good").wait_for()
            page.get_by_label("CSV, TSV").set_input_files(reviews_file)
            page.get_by_role("button", name="Label every row").click()
            link = page.get_by_role("link", name="Download the file with its labels")
            link.wait_for(timeout=60_000)
            with page.expect_download() as download:
                link.click()
            assert download.value.suggested_filename == "new reviews-labelled.csv"


def test_without_scripts_a_text_gets_its_label(browser: Any, server: Running) -> None:
    for page in opened_page(browser, server, java_script_enabled=False):
        page.get_by_label("Text", exact=True).fill(TEXT)
        page.get_by_role("button", name="Find the label").click()
        assert page.get_by_role("region", name="Answer").get_by_role("heading", name="good").is_visible()
        assert page.get_by_label("Text", exact=True).input_value() == TEXT
        assert not page.get_by_role("button", name="Label every row").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/docs"])
def test_nothing_is_cut_and_all_can_be_read(
    path: str, scheme: str, page: Any, server: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "screenshots"
    folder.mkdir(exist_ok=True)
    page.emulate_media(color_scheme=scheme)
    page.goto(server.address + path)
    if path == "/":
        page.get_by_label("Text", exact=True).fill(TEXT)
        page.get_by_role("button", name="Find the label").click()
        page.get_by_role("region", name="Deciding words").get_by_role("heading").wait_for()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        found = page.evaluate(MEASURES)
        page.screenshot(path=folder / f"{path.strip('/') or 'page'}-{width}-{scheme}.png", full_page=True)
        assert found["scrollWidth"] <= width, found
        for problem in ("outside", "cut", "overlapping", "repeatedIds", "skippedHeadings", "unnamed"):
            assert found[problem] == [], (width, problem)
        assert len(found["contrasts"]) > 10
        assert [text for text in found["contrasts"] if text["ratio"] < 4.5] == []
