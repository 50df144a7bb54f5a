"""Labels that may be another name of a commoner one are told; those that are merely alike are not."""

import os
from collections import Counter
from pathlib import Path

import pytest

from trifold.data.similar_labels import similar_labels
from trifold.types import Label

_DATA = Path(os.environ.get("TRIFOLD_DATA", "nowhere"))


@pytest.mark.parametrize(
    ("rare", "common"),
    [
        ("neg", "negative"),
        ("negativ", "negative"),
        ("pos", "Positive"),
        ("POS", "positive"),
        ("LOC", "LOCATION"),
        ("negative", "neg"),
        ("postive", "positive"),
        ("psoitive", "positive"),
        ("positivw", "positive"),
        ("very neg", "very_negative"),
        ("sport", "sports"),
    ],
)
def test_an_abbreviation_or_a_slip_is_found(rare: str, common: str) -> None:
    assert similar_labels({common: 1_988, rare: 12}) == {rare: common}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no", "not"),
        ("class1", "class2"),
        ("class a", "class b"),
        ("type i", "type ii"),
        ("vii", "viii"),
        ("1", "10"),
        ("sports", "sport news"),
        ("card", "card_arrival"),
        ("count", "mount"),
        ("typical", "atypical"),
        ("positive", "negative"),
        ("approval", "disapproval"),
        ("pending_transfer", "pending_top_up"),
        ("5 stars", "4 stars"),
        ("中", "中国"),
        ("", "neg"),
    ],
)
def test_labels_that_are_merely_alike_are_not(one: str, other: str) -> None:
    assert similar_labels({one: 1_000, other: 12}) == {}
    assert similar_labels({other: 1_000, one: 12}) == {}


def test_two_common_labels_are_two_classes() -> None:
    assert similar_labels({"count": 363, "country": 155}) == {}


def test_numbers_are_left_alone() -> None:
    assert similar_labels({1: 1_000, 10: 12, "100": 3}) == {}


def test_of_several_the_commonest_is_meant() -> None:
    found = similar_labels({"neg": 100, "negative": 1_988, "negativ": 3})
    assert found == {"neg": "negative", "negativ": "negative"}


def test_thousands_of_labels_are_looked_at_quickly() -> None:
    names = (f"{a}{b}{c}word{d}" for a in "abcdefghij" for b in "klmnopqrst" for c in "uvwxyz" for d in "abcdefgh")
    assert similar_labels(dict.fromkeys(names, 1)) == {}


# As in the data set Banking77 (CC BY 4.0), whose classes are many and alike.
_BANKING = [
    "card_arrival",
    "card_linking",
    "card_not_working",
    "card_payment_fee_charged",
    "card_payment_not_recognised",
    "card_payment_wrong_exchange_rate",
    "cash_withdrawal_charge",
    "cash_withdrawal_not_recognised",
    "declined_card_payment",
    "declined_cash_withdrawal",
    "declined_transfer",
    "exchange_charge",
    "exchange_rate",
    "exchange_via_app",
    "lost_or_stolen_card",
    "lost_or_stolen_phone",
    "pending_card_payment",
    "pending_cash_withdrawal",
    "pending_top_up",
    "pending_transfer",
    "top_up_by_card_charge",
    "top_up_by_bank_transfer_charge",
    "top_up_by_cash_or_cheque",
    "top_up_failed",
    "top_up_limits",
    "top_up_reverted",
    "topping_up_by_card",
    "transfer_fee_charged",
    "transfer_into_account",
    "transfer_timing",
    "verify_my_identity",
    "verify_source_of_funds",
    "verify_top_up",
    "getting_spare_card",
    "getting_virtual_card",
    "virtual_card_not_working",
    "wrong_amount_of_cash_received",
]


@pytest.mark.parametrize("common", _BANKING)
def test_many_intents_that_are_alike_raise_no_alarm(common: str) -> None:
    assert similar_labels({label: 1_000 if label == common else 5 for label in _BANKING}) == {}


@pytest.mark.skipif(not _DATA.is_dir(), reason="TRIFOLD_DATA names no folder with the real data")
@pytest.mark.parametrize(
    ("file", "column"),
    [
        ("trec/train.parquet", "label"),
        ("trec/train.parquet", "fine_label"),
        ("ag_news/train.parquet", "label"),
        ("goemotions/train.parquet", "labels"),
    ],
)
def test_real_labels_raise_no_alarm(file: str, column: str) -> None:
    import pyarrow.parquet as pq

    values = pq.read_table(_DATA / file, columns=[column]).column(0).to_pylist()
    counts: Counter[Label] = Counter(part for value in values for part in str(value).split("|"))
    assert len(counts) > 3
    assert similar_labels(counts) == {}
