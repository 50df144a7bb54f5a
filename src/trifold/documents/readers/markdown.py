"""The prose of a Markdown file: its paragraphs, headings and items, without marks, code and tables."""

# It is Rich's reader of Markdown, and so always here.
from markdown_it import MarkdownIt
from markdown_it.token import Token


def prose_of(text: str) -> str:
    """Each paragraph, heading and item of a Markdown text as a paragraph of plain text."""
    found, inside_table = [], 0
    for token in MarkdownIt().enable("table").parse(text):
        inside_table += (token.type == "table_open") - (token.type == "table_close")
        if token.type == "inline" and not inside_table:
            found.append("".join(_plain(part) for part in token.children or ()))
    return "\n\n".join(paragraph for paragraph in found if paragraph.strip())


def _plain(part: Token) -> str:
    """The text of a part of a line; of a picture, what it shows."""
    return " " if part.type in ("softbreak", "hardbreak") else "" if part.type == "html_inline" else part.content
