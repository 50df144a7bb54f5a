"""What the documents name is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "trifold"
DOCUMENTS = [ROOT / "ARCHITECTURE.md", ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
# A file of code, or a folder, in backticks: `models/pooling.py`, `engines/`.
_NAMED = re.compile(r"`((?:src/trifold/|tests/|benchmarks/|docs/)?[a-z_0-9]+(?:/[a-z_0-9]+)*(?:/|\.py))`")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_documents_name_exist(document: Path) -> None:
    missing = []
    for name in _NAMED.findall(document.read_text(encoding="utf-8")):
        if name in ("methods/yours.py", "model/", "state/", "best/", "runs/"):
            continue
        if not any((folder / name).exists() for folder in (ROOT, SOURCE)) and not list(ROOT.rglob(f"**/{name}")):
            missing.append(name)
    assert not missing


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*DOCUMENTS, *sorted((ROOT / "benchmarks").rglob("*.md"))]
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\(([^)#\s]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    ]
    broken = [link for document, link in links if "://" not in link and not (document.parent / link).exists()]
    assert not broken
