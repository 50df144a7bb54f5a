"""Sentences with their places in the text."""

from trifold.documents.language.sentences import split_sentences


def test_each_sentence_stands_where_it_says() -> None:
    text = '  Dr. Smith came at 5 p.m. He said: "Hello!"\n\n …!?\n\n你好。世界。'
    found = split_sentences(text)
    assert [sentence.text for sentence in found] == [text[one.start : one.end] for one in found]
    assert found[0].text.startswith("Dr. Smith came")
    assert [sentence.text for sentence in found[-2:]] == ["你好。", "世界。"]
    assert not any("…" in sentence.text for sentence in found)


def test_no_words_are_no_sentences() -> None:
    assert split_sentences("") == split_sentences(" … !? 🙂") == []
