from pathlib import Path

from trifold.documents.search.sorted_words import SortedWords


def test_words_are_found_and_those_that_begin_alike(tmp_path: Path) -> None:
    words = sorted(["", "ab", "abc", "abd", "b", "é", "éa", "\U0001f600", "\uffff"])
    SortedWords.write(words, tmp_path, "words")
    found = SortedWords(tmp_path, "words")
    assert [found.word(number) for number in range(len(found))] == words
    assert [found.find(word) for word in words] == list(range(len(words)))
    assert found.find("abe") is None
    assert found.find("zzz") is None
    assert [found.word(number) for number in found.beginning_with("ab")] == ["ab", "abc", "abd"]
    assert [found.word(number) for number in found.beginning_with("é")] == ["é", "éa"]
    assert len(found.beginning_with("")) == len(words)
    assert len(found.beginning_with("x")) == 0


def test_no_words(tmp_path: Path) -> None:
    SortedWords.write([], tmp_path, "words")
    assert SortedWords(tmp_path, "words").find("a") is None
    assert len(SortedWords(tmp_path, "words").beginning_with("a")) == 0
