"""What is shown of a passage."""

import random
import time

from trifold.documents.search.snippets import make_snippets


def marked(query: str, *passages: str) -> list[list[str]]:
    found = make_snippets(query, passages, [0] * len(passages), "en")
    return [[one.text[mark.start : mark.end] for mark in one.marks] for one in found]


def test_words_of_the_query_are_marked_in_the_sentence_that_has_most_of_them() -> None:
    text = "The plot is thin. A robot learns to feel, and films rarely do that. The end."
    assert marked("a robot who learns film making", text) == [["A", "robot", "learns", "films"]]


def test_words_that_all_sentences_have_are_not() -> None:
    text = "The cat sat on the mat. The dog ate the bone. The sun was the star. The end of the day. The rest."
    assert marked("the dog", text) == [["dog"]]


def test_where_no_word_is_shared_the_sentence_is_marked() -> None:
    assert marked("automobile", "Cars are fast. Trains too.") == [["Cars are fast."]]


def test_a_long_passage_is_cut_around_the_match_between_words() -> None:
    text = "Nothing here matters at all. " * 40 + "The needle lies here. " + "Nothing here matters at all. " * 40
    snippet = make_snippets("needle", [text], [100], "en")[0]
    assert len(snippet.text) <= 320
    assert "The needle lies here." in snippet.text
    assert text[snippet.start - 100 :].startswith(snippet.text)
    assert [snippet.text[mark.start : mark.end] for mark in snippet.marks] == ["needle"]


def test_forms_of_a_word_are_marked_and_words_that_only_begin_alike_are_not() -> None:
    text = "Reading readers read readable reads readings."
    assert marked("reads", text) == [["read", "reads"]]
    assert marked("read", text) == [["Reading", "readers", "read", "reads"]]
    assert marked("reading", text) == [["Reading", "read", "readings"]]
    assert marked("cat", "The cats and a cat.") == [["cat"]]


def test_a_query_of_a_thousand_words_takes_no_longer_than_its_passages_do() -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghij", k=7)) for _ in range(5_000)]
    passages = [" ".join(rng.choices(words, k=2_000)) for _ in range(10)]
    begun = time.process_time()
    make_snippets(" ".join(words[:1_000]), passages, [0] * 10, "en")
    assert time.process_time() - begun < 2


def test_texts_of_no_words_and_endless_queries_are_shown_as_they_are() -> None:
    assert make_snippets("🎬", ["🎬🎬"], [0], "en")[0].text == "🎬🎬"
    assert make_snippets("مرحبا بالعالم", ["مرحبا بك."], [0], "ar")[0].marks
    assert make_snippets("word " * 10_000, ["a word"], [0], "en")[0].marks
    assert make_snippets("x", ["y" * 2_000], [0], "en")[0].marks
