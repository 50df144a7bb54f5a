import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from trifold.documents.readers import folder as folder_reader
from trifold.documents.readers.folder import FolderDocument, UnreadFile, read_folder
from trifold.errors import DataError

PAGE = """<!doctype html><html><head><title>Light &amp; sound</title><style>p { color: red }</style></head>
<body><nav><a href="/">Home</a></nav><script>var x = "<p>no</p>";</script>
<h1>Light</h1><p>First <b>par</b>agraph,
on two lines.</p><ul><li>one</li><li>two<br>three</li></ul><div hidden>secret</div><footer>Imprint</footer></body></html>"""


def make_pdf(path: Path, pages: Sequence[str], title: str = "A report") -> Path:
    """A PDF whose pages hold a line of text each."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", ""]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        font = "<< /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >>"
        box = "/MediaBox [0 0 612 792]"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} /Contents {len(objects)} 0 R /Resources {font} >>")
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    objects.append(f"<< /Title ({title}) >>")
    written, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(written))
        written += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    path.write_bytes(f"{written}{end}{trailer}\nstartxref\n{len(written)}\n%%EOF".encode("latin-1"))
    return path


def documents(path: Path) -> dict[str, FolderDocument]:
    return {one.id: one for one in read_folder(path) if isinstance(one, FolderDocument)}


def unread(path: Path) -> dict[str, str]:
    return {one.path: one.reason for one in read_folder(path) if isinstance(one, UnreadFile)}


def test_every_kind_of_file_with_its_title_in_the_order_of_paths(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Plain words.")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.MD").write_text("\n## The  *third* ##\n\nMarked words.")
    (tmp_path / "a.html").write_text(PAGE)
    make_pdf(tmp_path / "d.pdf", ["Page one.", "", "Page three."])
    found = documents(tmp_path)
    assert list(found) == ["a.html", "b.txt", "d.pdf#page=1", "d.pdf#page=3", "sub/c.MD"]
    assert [one.title for one in found.values()] == ["Light & sound", "b", "A report", "A report", "The *third*"]
    assert found["a.html"].text == "Light & sound\nLight\nFirst paragraph, on two lines.\none\ntwo\nthree"
    assert (found["d.pdf#page=3"].text.strip(), found["d.pdf#page=3"].page) == ("Page three.", 3)
    assert documents(tmp_path) == found


def test_the_main_part_of_a_page_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("<div>Menu</div><main><p>Content.</p></main><div>Ads</div>")
    assert documents(tmp_path)["a.html"].text == "Content."
    (tmp_path / "a.html").write_text("<p>Content.</p><main> </main>")
    assert documents(tmp_path)["a.html"].text == "Content."


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", ""),
        ("utf-16", ""),
        ("iso-8859-1", '<meta charset="iso-8859-1">'),
        ("utf-8", '<meta charset="nonsense">'),
    ],
)
def test_the_encoding_of_a_page_is_the_one_it_declares_or_else_detected(
    tmp_path: Path, encoding: str, declared: str
) -> None:
    (tmp_path / "a.html").write_bytes(f"{declared}<p>Grüße aus Köln</p>".encode(encoding))
    assert documents(tmp_path)["a.html"].text == "Grüße aus Köln"


def test_text_files_of_several_encodings(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\n".join(["Grüße aus Köln", "Äpfel", "Öl", "Übermut"]).encode("cp1252"))
    (tmp_path / "b.txt").write_bytes("Grüße".encode("utf-8-sig"))
    (tmp_path / "c.txt").write_bytes("Grüße\r\nzwei".encode("utf-16"))
    texts = [one.text for one in documents(tmp_path).values()]
    assert [text.splitlines()[0] for text in texts] == ["Grüße aus Köln", "Grüße", "Grüße"]


def test_what_cannot_be_read_is_told_and_the_rest_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_reader, "_MAX_BYTES", 1_000)
    (tmp_path / "good.txt").write_text("Words.")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "blank.md").write_text(" \n\t ")
    (tmp_path / "huge.txt").write_text("word " * 1_000)
    (tmp_path / "damaged.pdf").write_bytes(b"%PDF-1.4 and no more")
    (tmp_path / "link.txt").symlink_to(tmp_path / "nowhere.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    make_pdf(tmp_path / "scanned.pdf", ["", ""])
    assert list(documents(tmp_path)) == ["good.txt"]
    told = unread(tmp_path)
    assert told["binary.txt"] == "it is binary, not text"
    assert told["damaged.pdf"] == "it is damaged, or no PDF"
    assert "scanned" in told["scanned.pdf"]
    assert "larger" in told["huge.txt"]
    assert "pipe" in told["pipe.txt"]
    assert set(told) == {
        "binary.txt",
        "blank.md",
        "damaged.pdf",
        "empty.txt",
        "huge.txt",
        "link.txt",
        "pipe.txt",
        "scanned.pdf",
    }


def test_links_in_a_circle_end_and_hidden_files_stay_hidden(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.txt").write_text("Words.")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "two.txt").write_text("Hidden.")
    (tmp_path / ".three.txt").write_text("Hidden.")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert list(documents(tmp_path)) == ["a/one.txt"]


def test_a_name_that_cannot_be_shown_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("Words.")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.txt")).write_text("Words.")
    (tmp_path / "line\nbreak.txt").write_text("Words.")
    assert list(documents(tmp_path)) == ["good.txt"]
    assert len(unread(tmp_path)) == 2
    assert all(path.isprintable() for path in unread(tmp_path))


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    with pytest.raises(DataError, match=r"holds no document: it needs files that end in \.txt"):
        list(read_folder(tmp_path))


def test_hostile_pages_end(tmp_path: Path) -> None:
    (tmp_path / "deep.html").write_text("<div>" * 50_000 + "word" + "</div>" * 50_000)
    (tmp_path / "open.html").write_text("<p>word <![CDATA[ <!-- <table><tr><td>cell")
    assert "word" in documents(tmp_path)["open.html"].text
    assert unread(tmp_path) == {"deep.html": "its elements nest more than 2,000 deep"}
