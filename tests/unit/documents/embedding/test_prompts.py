"""What stands before a text for models that were trained with prompts."""

import pytest

from trifold.documents.embedding.prompts import named_prompt, prompts_of_family
from trifold.errors import SettingsError


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("intfloat/e5-small-v2", "query: "),
        ("/models/Multilingual-E5-large/", "query: "),
        ("nomic-ai/nomic-embed-text-v1.5", "search_query: "),
        ("intfloat/e5-mistral-7b-instruct", None),
        ("sentence-transformers/all-MiniLM-L6-v2", None),
    ],
)
def test_families_are_known_by_the_last_part_of_the_name(name: str, query: str | None) -> None:
    assert prompts_of_family(name).get("query") == query


def test_documents_have_several_names() -> None:
    assert named_prompt({"passage": "passage: "}, "document", "m") == "passage: "
    assert named_prompt({"document": "", "corpus": "c: "}, "passage", "m") == "c: "
    with pytest.raises(SettingsError, match="m has no prompt 'query'"):
        named_prompt({"query": "", "document": "d: "}, "query", "m")
