"""The one split that every command uses.

The test part is the stratified 20 % that scikit-learn's
`train_test_split(test_size=0.2, random_state=42, stratify=labels)` holds out; of the rest, 20 % is validation.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from trifold.data.hold_out import hold_out
from trifold.errors import DataError
from trifold.formatting import counted
from trifold.types import Examples, Split, Target, labels_of

SPLIT_SEED = 42
HELD_OUT = 0.2


def split_examples(examples: Examples, test: Examples | None = None, validation: Examples | None = None) -> Split:
    """Split into training, validation and test (64/16/20), or 80/20 where one of the latter two is given.

    Texts that also stand in the test or validation part leave the training part; texts of the test part
    leave validation, too, since choosing on them would be seeing the test. Both are counted.

    Args:
        examples: All usable rows of the data file.
        test: Rows of `--test-file`.
        validation: Rows of `--validation-file`.

    Raises:
        DataError: If the rows do not make a task: one row, one class, or more labels than half the rows; or a file
            given for a part has a label that the data file lacks.
    """
    _require_task(examples)
    positions = np.arange(len(examples))
    notes: list[str] = []
    if test is None:
        rest, held_out = _stratified(positions, examples, "test", notes)
        test = examples.take(held_out.tolist())
    else:
        _require_known_labels(examples, test, "test")
        rest = positions
    if validation is None:
        rest, chosen_on = _stratified(rest, examples, "validation", notes)
        validation = examples.take(chosen_on.tolist())
    else:
        # A part that is drawn comes in random order, and so must what is left of the file: many are sorted by label.
        rest = np.random.default_rng(SPLIT_SEED).permutation(rest)
        _require_known_labels(examples, validation, "validation")
    test_texts = {text.strip() for text in test.texts}
    kept_validation = [i for i, text in enumerate(validation.texts) if text.strip() not in test_texts]
    left_validation = len(validation) - len(kept_validation)
    validation = validation.take(kept_validation)
    seen = test_texts | {text.strip() for text in validation.texts}
    kept_train = [i for i in rest.tolist() if examples.texts[i].strip() not in seen]
    if not kept_train or not kept_validation:
        raise DataError(
            "every text of the training or validation part also stands in the test part: give rows with distinct texts"
        )
    train = examples.take(kept_train)
    if len(train.label_counts()) < 2:
        raise DataError("the training part has one class only: give more rows of the other classes")
    return Split(
        train=train,
        validation=validation,
        test=test,
        left_training=len(rest) - len(kept_train),
        left_validation=left_validation,
        notes=tuple(notes),
    )


def split_train_validation(examples: Examples) -> tuple[Examples, Examples]:
    """80 % to learn from, 20 % to choose on, for callers that keep the test rows to themselves.

    Raises:
        DataError: As in `split_examples`.
    """
    _require_task(examples)
    train, validation = _stratified(np.arange(len(examples)), examples, "validation", [])
    return examples.take(train.tolist()), examples.take(validation.tolist())


def _require_task(examples: Examples) -> None:
    rows, classes = len(examples), len(examples.label_counts())
    if rows < 2:
        raise DataError(f"the file has {counted(rows, 'usable row')}: give at least 10, better hundreds")
    if classes < 2:
        raise DataError(
            f"every row has the label {next(iter(examples.label_counts()), '')!r}: give rows of at least two classes, "
            "or name the right column with --label-column"
        )
    if classes > rows / 2:
        raise DataError(
            f"there are {classes} different labels on {rows} rows, more than half: "
            "this looks like the wrong column; name the right one with --label-column"
        )
    if rows < 10:
        raise DataError(f"the file has {rows} usable rows: give at least 10, better hundreds")


def _require_known_labels(examples: Examples, given: Examples, part: str) -> None:
    unknown = sorted({str(label) for label in given.label_counts().keys() - examples.label_counts().keys()})
    if unknown:
        raise DataError(
            f"the {part} file has labels that the data file lacks ({', '.join(unknown[:5])}): "
            "mend them, or add rows with these labels to the data file"
        )


def _stratified(
    positions: np.ndarray, examples: Examples, part: str, notes: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out 20 % of `positions`, keeping class shares where the rows allow it."""
    strata = _strata(examples)
    counts = Counter(strata[i] for i in positions)
    alone = np.array([i for i in positions if counts[strata[i]] == 1], dtype=int)
    if len(alone):
        notes.append(f"{counted(len(alone), 'label')} had too few rows for the {part} part and stayed in training")
    shared = np.array([i for i in positions if counts[strata[i]] > 1], dtype=int)
    chosen = [strata[i] for i in shared]
    classes = len(set(chosen))
    held_out = int(np.ceil(HELD_OUT * len(shared)))
    if min(held_out, len(shared) - held_out) < classes:
        notes.append(f"too few rows to hold every class in the {part} part: it was drawn without regard to class")
        kept, out = hold_out(shared, HELD_OUT, SPLIT_SEED)
    else:
        kept, out = hold_out(shared, HELD_OUT, SPLIT_SEED, chosen)
    return np.concatenate([kept, alone]).astype(int), out


def _strata(examples: Examples) -> Sequence[Target]:
    """What is to be spread evenly over the parts: each row's label, or the rarest of its labels.

    Common labels are spread evenly by chance; it is the rare ones that a part might lack.
    """
    if not examples.multi_label:
        return examples.labels
    counts = examples.label_counts()
    # Rows without any label are a stratum of their own.
    return [
        min(labels_of(target), key=lambda label: (counts[label], str(label)), default="") for target in examples.labels
    ]
