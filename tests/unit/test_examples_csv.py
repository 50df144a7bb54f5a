"""The demo's reviews are what the README says they are."""

import csv
import re
from collections import Counter
from pathlib import Path

PATH = Path(__file__).parents[2] / "examples" / "reviews.csv"


def rows() -> list[dict[str, str]]:
    with PATH.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_at_least_400_reviews_share_no_sentence_but_in_one_duplicate() -> None:
    texts = [row["text"] for row in rows()]
    assert len(texts) >= 400
    repeated = [text for text, count in Counter(texts).items() if count > 1]
    assert len(repeated) == 1
    owners: dict[str, set[str]] = {}
    for text in texts:
        for sentence in re.split(r"[.!?]+", text.casefold()):
            if sentence.strip():
                owners.setdefault(sentence.strip(), set()).add(text)
    assert [sentence for sentence, found in owners.items() if len(found) > 1] == []


def test_it_has_the_blemishes_of_real_files() -> None:
    found = rows()
    assert sum(not row["text"].strip() for row in found) == 1
    assert 2 <= sum(row["label"] == "Positive " for row in found) <= 5
    assert {row["label"] for row in found} == {"positive", "negative", "Positive "}
    assert sum('"' in row["text"] for row in found) >= 5
    assert sum("," in row["text"] for row in found) >= 100
    assert sum("\n" in row["text"] for row in found) >= 3


def test_words_alone_get_it_mostly_but_not_wholly_right() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline

    found = [row for row in rows() if row["text"].strip()]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10))
    labels = [row["label"].strip().lower() for row in found]
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    accuracy = cross_val_score(model, [row["text"] for row in found], labels, cv=folds).mean()
    assert 0.75 <= accuracy <= 0.95
