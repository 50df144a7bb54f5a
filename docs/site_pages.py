"""Pages that the site makes of what stands elsewhere: the commands' help, and documents of the repository's root."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from trifold.cli.main import app
from trifold.cli.skill_text import every_command
from trifold.cli.usage import usage_of

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
_FROM_ELSEWHERE = re.compile(r"""<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=["']?(https?:[^"'> ]+)""")


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages to those that MkDocs found in docs/."""
    from mkdocs.structure.files import File

    pages = {
        "commands.md": commands_page(),
        "architecture.md": (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"),
        "changelog.md": (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"),
        "decisions/index.md": decisions_page(),
    }
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links of documents of the root are seen from docs/."""
    return re.sub(r"\]\(docs/", "](", markdown)


def on_post_page(output: str, page: "Page", **_: object) -> str:
    """Refuse a page that would ask for something from a network when it is opened."""
    if asked := _FROM_ELSEWHERE.search(output):
        raise ValueError(f"{page.file.src_uri} loads {asked[1]}: keep it in docs/assets")
    return output


def commands_page() -> str:
    """Every command with its flags, as `--help` tells them."""
    for words, part in every_command():
        part.usage = usage_of(words[-1:], part)
    page = app.generate_docs(output_format="markdown", heading_level=1)
    # The site has a table of contents beside each page.
    return re.sub(r"## Table of Contents\n.*?(?=\n## )", "", page, count=1, flags=re.DOTALL)


def decisions_page() -> str:
    """The decisions by number and title."""
    lines = ["# Decisions", "", "Why things are as they are, where it is not obvious.", ""]
    for path in sorted((ROOT / "docs" / "decisions").glob("0*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0]
        lines.append(f"- [{title.removeprefix('# ')}]({path.name})")
    return "\n".join(lines) + "\n"
