"""What of a Markdown file is prose."""

from trifold.documents.readers.markdown import prose_of

TEXT = """# On *films*

A film, which is [long](https://example.org/long), has
two parts.

| a | b |
|---|---|
| 1 | 2 |

```python
print("no prose")
```

- An item with `code` in it.
- ![A goat](goat.png)
"""


def test_paragraphs_headings_and_items_stay_and_marks_code_and_tables_go() -> None:
    assert prose_of(TEXT).split("\n\n") == [
        "On films",
        "A film, which is long, has two parts.",
        "An item with code in it.",
        "A goat",
    ]
