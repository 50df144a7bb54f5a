"""What is said of an explained text: whole sentences, each word once, and no markup."""

from dataclasses import replace

from trifold.explanations.explanation import ExplainedRow, Explanation, TextRow, Word
from trifold.explanations.marks import pieces
from trifold.explanations.wording import headline, named_words
from trifold.explanations.words import find_words

TEXT = "Bad.<br /><br />So bad, BAD &amp; dull"


def explained(text: str = TEXT) -> Explanation:
    spans = find_words(text, [(0, len(text))])
    words = tuple(Word(span.start, span.end, text[span.start : span.end], 1.0) for span in spans)
    deciding = tuple(word for word in words if word.text.lower() in ("bad", "dull"))
    return Explanation(text, "bad", 0.987, "bad", words, deciding, 0.2, 0.9, "occlusion", False, 9)


def test_a_row_is_headed_by_a_sentence() -> None:
    row = TextRow(TEXT, 3, 4, "good", learned=True)
    one = explained()
    assert headline(ExplainedRow(row, one)) == (
        "Row 3 (line 4): the model says bad (98.7 %), the file says good. The model was trained on this text."
    )
    assert headline(ExplainedRow(TextRow(TEXT), one)) == "The model says bad (98.7 %)"
    other = replace(one, predicted="good", probability=0.013)
    assert headline(ExplainedRow(TextRow(TEXT), other)) == "The model says good; what is explained is bad (1.3 %)"
    several = replace(one, predicted=("bad", "long"))
    assert headline(ExplainedRow(TextRow(TEXT), several)).endswith("; what is explained is bad (98.7 %)")


def test_a_word_is_listed_once_with_how_often_it_stands_there() -> None:
    assert named_words(explained().deciding) == ["Bad (3 times)", "dull"]
    assert named_words([]) == []


def test_tags_and_entities_are_left_out_whole_and_shown_as_what_they_mean() -> None:
    one = explained()
    assert [word.text for word in one.words] == ["Bad", "<br />", "<br />", "So", "bad", "BAD", "&amp;", "dull"]
    assert "".join(piece.text for piece in pieces(one, 3_000)) == "Bad.\n\nSo bad, BAD & dull"
    tag = replace(one, deciding=(one.words[1],))
    assert "".join(piece.text for piece in pieces(tag, 3_000)) == "Bad.<br />\nSo bad, BAD & dull"
    assert [word.text for word in explained("1 < 2 and a<b").words] == ["1", "2", "and", "a", "b"]
