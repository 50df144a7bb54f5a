"""Texts and labels as Python programs hold them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from trifold.data.in_memory import targets_of, texts_of
from trifold.errors import DataError

TEXTS = ["a film", "a plot", "a cast"]


class Frame:
    """A table as pandas has it: its items are the names of its columns."""

    def __init__(self, **columns: list[Any]) -> None:
        self.columns = columns

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(list(zip(*self.columns.values(), strict=True)), dtype=object)


@pytest.mark.parametrize(
    "given",
    [
        TEXTS, tuple(TEXTS), iter(TEXTS), np.array(TEXTS), np.array(TEXTS, dtype=object), np.array(TEXTS)[:, None],
        pa.array(TEXTS), pa.chunked_array([TEXTS]), Frame(text=TEXTS),
    ],
    ids=lambda given: type(given).__name__,
)  # fmt: skip
def test_texts_are_taken_from_whatever_has_an_order_and_one_column(given: Any) -> None:
    found = texts_of(given)
    assert found == TEXTS
    assert {type(text) for text in found} == {str}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a film", "one string was given where a list of texts is expected: put it into a list"),
        (b"a film", "one string was given"),
        ({"text": TEXTS}, r"a dict was given where a list of texts is expected: .* frame\['text'\]"),
        (Frame(text=TEXTS, title=TEXTS), r"the texts come in the shape \(3, 2\), one row for each is wanted"),
        (np.array([TEXTS, TEXTS]), r"shape \(2, 3\)"),
        (np.array("a film"), r"shape \(\)"),
        (set(TEXTS), "come in a set, which has no order"),
        (7, "a int was given where a list of texts is expected"),
        (["a", None], "text number 1 is None: every text must be a string"),
        (["a", float("nan")], "text number 1 is nan"),
        (["a", b"b"], "text number 1 is b'b': decode it first"),
        (["a", " \n"], r"text number 1 is ' \\n' \(the text is empty\)"),
        (["a", "\ud800"], "text number 1 holds half a character"),
        (pa.array(["a", None]), "text number 1 is None"),
    ],
)
def test_anything_else_is_refused_in_one_sentence(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        texts_of(given)


@pytest.mark.parametrize(
    ("given", "targets", "kind"),
    [
        (["x", "y"], ("x", "y"), None),
        ([True, False], (True, False), None),
        (np.array([1, 0], dtype=np.int8), (1, 0), np.int8),
        (np.array([[1], [0]]), (1, 0), np.int64),
        (np.array([True, False]), (True, False), np.bool_),
        (np.array(["x", "y"], dtype=object), ("x", "y"), object),
        ([["x"], {"x"}, (), ("y", "y")], (("x",), ("x",), (), ("y",)), None),
    ],
)
def test_labels_are_plain_values_and_their_type_is_known(given: Any, targets: tuple[Any, ...], kind: Any) -> None:
    found, type_ = targets_of(given)
    assert found == targets
    assert {type(label) for label in found} == {type(label) for label in targets}
    assert type_ == (None if kind is None else np.dtype(kind))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["x", None], r"label number 1 is missing \(None\)"),
        ([1, float("nan")], r"label number 1 is missing \(nan\)"),
        (np.array([1.0, 0.0, 1.0, np.nan]), r"label number 3 is missing \(np.float64\(nan\)\): leave the row out"),
        ([1.5, 2.5], "label number 0 is 1.5, neither a string nor an integer nor a boolean"),
        ([1, "x"], r"the labels are of several types \(int, str\)"),
        ([1, True], r"of several types \(bool, int\)"),
        ([["x"], [1]], "of several types"),
        (np.eye(3), r"the labels come in the shape \(3, 3\)"),
        ("xy", "one string was given where a list of labels"),
    ],
)
def test_labels_that_make_no_task_are_refused(given: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        targets_of(given)


def test_the_message_of_a_long_text_is_short() -> None:
    take: Callable[[Any], list[str]] = texts_of
    with pytest.raises(DataError) as error:
        take([["x" * 10_000]])
    assert len(str(error.value)) < 200


def test_labels_that_no_file_of_ours_can_hold_are_refused_before_anything_is_learned():
    with pytest.raises(DataError, match="more than 64 bits"):
        targets_of([1, 2**63])
