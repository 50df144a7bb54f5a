"""The head of a card as the hub reads it, and the results beside it."""

from typing import Any

import pytest
import yaml

from trifold.evaluate.hub_card import hub_card, results_file, terms

RECORD: dict[str, Any] = {
    "method": "features",
    "command": "trifold finetune data",
    "seed": 42,
    "versions": {"trifold": "1"},
    "started": "2026-01-01T00:00:00+00:00",
    "score_name": "accuracy",
    "labels": ["bad", "good"],
    "settings": {},
}
METRICS: dict[str, Any] = {"accuracy": {"value": 0.75, "low": 0.7, "high": 0.8}, "micro_f1": 0.75, "rows": 400}


def head(record: dict[str, Any], own: str | None = None, licence: str | None = "mit") -> dict[str, Any]:
    card = hub_card(own, record, METRICS, repo="alice/film", licence=licence, with_texts=False)
    found: dict[str, Any] = yaml.safe_load(card.split("---")[1])
    return found


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("BAAI/bge-small-en", "BAAI/bge-small-en"),
        ("gemma-270m", "google/gemma-3-270m"),
        ("someone/tiny-GGUF/tiny-q4.gguf", "someone/tiny-GGUF"),
        ("bert", None),
        ("/home/me/bert", None),
    ],
)
def test_a_backbone_is_named_where_the_hub_has_it(name: str, base: str | None) -> None:
    backbone = {"name": name, "revision": None, "sha256": "ab"}
    assert head({**RECORD, "backbone": backbone}).get("base_model") == base


def test_terms_of_the_backbone_are_told() -> None:
    gemma = {**RECORD, "backbone": {"name": "gemma-270m", "revision": None, "sha256": "ab"}}
    assert "Gemma terms" in str(terms(gemma))
    assert "Gemma terms" in hub_card(None, gemma, METRICS, repo="alice/film", licence="gemma", with_texts=False)
    assert terms(RECORD) is None


def test_data_of_the_hub_are_named_and_a_split_of_theirs_has_its_results_in_a_file() -> None:
    data = {"path": "hf:stanfordnlp/imdb", "sha256": "ab", "test_file": "hf:stanfordnlp/imdb:test"}
    record = {**RECORD, "data": data}
    assert head(record)["datasets"] == ["stanfordnlp/imdb"]
    content = results_file(record, METRICS)
    assert content is not None
    (entry,) = yaml.safe_load(content)
    assert entry["dataset"] == {"id": "stanfordnlp/imdb", "task_id": "default"}
    assert entry["value"] == 0.75
    # A part that was split off at random is no result of the data set's own test rows.
    assert results_file({**record, "data": {**data, "test_file": None}}, METRICS) is None


def test_results_that_a_card_has_already_are_kept() -> None:
    own = "---\nmodel-index: [{name: mine, results: []}]\nlicense: mit\n---\n# Mine\n"
    assert head(RECORD, own, licence=None)["model-index"] == [{"name": "mine", "results": []}]
    assert [one["type"] for one in head(RECORD)["model-index"][0]["results"][0]["metrics"]] == ["accuracy"]


def test_folders_become_names_of_the_hub() -> None:
    own = (
        '---\nlicense: mit\n---\nfrom sentence_transformers import SentenceTransformer\n\nSentenceTransformer("THIS_FOLDER/model")\n'
        'AutoTokenizer.from_pretrained("THIS_FOLDER/model")\ntrifold predict THIS_FOLDER x.csv\n'
    )
    card = hub_card(own, RECORD, None, repo="alice/film", licence=None, with_texts=False)
    assert "SentenceTransformer(f\"{snapshot_download('alice/film')}/model\")" in card
    assert 'AutoTokenizer.from_pretrained("alice/film", subfolder="model")' in card
    assert "trifold predict alice/film x.csv" in card
