"""The page's parts without a browser: what is in them, and that nothing of a text or label is obeyed."""

import csv
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest

import served_runs
from asked_server import AskedServer, asked_server
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
LABELS = ("<script>x</script>", "$1 {{ 7 * 7 }}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedServer]:
    folder = tmp_path_factory.mktemp("hostile")
    with (folder / "data.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows([f"{('superb', 'dull')[n % 2]} film number {n}", LABELS[n % 2]] for n in range(60))
    run = finetune(Request(folder / "data.csv"), "tfidf", folder / "hostile", announce=False).folder
    base = tmp_path_factory.getbasetemp()
    with asked_server({"hostile": run, "pairs": served_runs.pairs(base)}) as running:
        yield running


class Outside(HTMLParser):
    """What a page would load or run."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.loaded += [str(found[name]) for name in ("src", "href") if name in found and tag != "a"]
        if tag == "style" or (tag == "script" and "src" not in found):
            self.inline.append(tag)
        self.inline += [name for name in found if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_loads_its_own_parts_alone_and_runs_nothing_inline(path: str, server: AskedServer) -> None:
    found = Outside(server.get(path).text)
    assert found.inline == []
    assert found.loaded
    for name in found.loaded:
        assert name.startswith("assets/")
        part = server.get(f"/{name}")
        assert part.status_code == 200
        assert "http://" not in part.text.replace("http://www.w3.org/2000/svg", "")
        assert "https://" not in part.text
    assert server.get("/assets/..%2fpage.py").status_code == 404


def test_without_scripts_the_form_answers_with_a_page(server: AskedServer) -> None:
    found = server.post("/try", content="run=hostile&text=a+superb+%3Cb%3E+film", headers=FORM)
    assert found.status_code == 200
    assert "&lt;script&gt;x&lt;/script&gt;" in found.text
    assert "<script>x" not in found.text
    assert "49" not in found.text.partition("Answer")[2].partition("</tbody>")[0].replace("0.49", "")
    assert "a superb &lt;b&gt; film" in found.text
    wrong = server.run(server._client.post("/try", content="run=hostile&text=+", headers=FORM))
    assert wrong.status_code == 422
    assert "the text is empty" in wrong.text


def test_a_part_of_the_page(server: AskedServer) -> None:
    body = "run=hostile&text=a+superb+%3Cscript%3E+film"
    answer = server.post("/try", content=body, headers={**FORM, "X-Part": "answer"}).text
    assert "<html" not in answer
    assert "<meter" in answer
    words = server.post("/try", content=body, headers={**FORM, "X-Part": "words"}).text
    assert 'class="d10 decides">superb' in words
    assert "<script" not in words
    assert "without as many words drawn by chance" in words


def test_pairs_are_tried_as_pairs(server: AskedServer) -> None:
    body = "run=pairs&text=The+plot+is+superb&text_pair=The+plot+is+dull"
    assert "same" in server.post("/try", content=body, headers={**FORM, "X-Part": "answer"}).text
    assert server.post("/try", content=body, headers={**FORM, "X-Part": "words"}).text == ""
    missing = server.post("/try", content="run=pairs&text=a", headers={**FORM, "X-Part": "answer"})
    assert missing.status_code == 422


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"text=%ff", FORM["Content-Type"], 422),
        (b"text=\xff", FORM["Content-Type"], 422),
        (b"&".join(b"a=1" for _ in range(50)), FORM["Content-Type"], 422),
        (b"run=none&text=a", FORM["Content-Type"], 404),
        (b'{"text": "a"}', "application/json", 415),
    ],
)
def test_forms_that_cannot_be_read(body: bytes, kind: str, status: int, server: AskedServer) -> None:
    found = server.post("/try", content=body, headers={"Content-Type": kind, "X-Part": "answer"})
    assert found.status_code == status


def test_the_page_tells_the_models_facts(server: AskedServer) -> None:
    page = server.get("/").text
    assert "accuracy" in page
    assert "95 % interval" in page
    assert "tfidf" in page
