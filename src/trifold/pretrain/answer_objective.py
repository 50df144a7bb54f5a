"""Prompts with their answers: the split, the tokens, and the loss on the answers alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trifold.data.hold_out import hold_out
from trifold.data.split import HELD_OUT, SPLIT_SEED
from trifold.errors import DataError
from trifold.pretrain.objectives import prediction_loss
from trifold.pretrain.special_tokens import Vocabulary
from trifold.train.objective import BatchLoss
from trifold.types import Examples, Split

# What stands between a prompt and its answer, in training and in use.
BEHIND_PROMPT = "\n"
_FEWEST_ROWS = 10
_NOT_ASKED = -100


def split_answers(examples: Examples) -> Split:
    """The split of every command, without classes to stratify by: 64 % training, 16 % validation, 20 % test.

    Prompts that also stand in the test or validation part leave the training part.

    Raises:
        DataError: If there are too few rows.
    """
    if len(examples) < _FEWEST_ROWS:
        raise DataError(f"the file has {len(examples)} usable rows: give at least {_FEWEST_ROWS}")
    places = np.arange(len(examples))
    rest, test = hold_out(places, HELD_OUT, SPLIT_SEED)
    train, validation = hold_out(rest, HELD_OUT, SPLIT_SEED)
    prompts = [text.strip() for text in examples.texts]
    tested = {prompts[place] for place in test}
    kept_validation = [place for place in validation if prompts[place] not in tested]
    seen = tested | {prompts[place] for place in kept_validation}
    kept = [place for place in train if prompts[place] not in seen]
    if not kept or not kept_validation:
        raise DataError("nearly all prompts are the same: no row is left that is not in the test part, too")
    return Split(
        examples.take(kept),
        examples.take(kept_validation),
        examples.take(test.tolist()),
        left_training=len(train) - len(kept),
        left_validation=len(validation) - len(kept_validation),
    )


@dataclass(frozen=True)
class Answers:
    """Objective: cross-entropy of a decoder on the answers, the prompts being given.

    Attributes:
        ids: `(tokens,)` int32 each: prompt, answer, end.
        begins: `(texts,)`, where in them the answer begins.
        lengths: `(texts,)`, tokens of each.
        truncated: Texts whose prompt lost its beginning or whose answer its end.
        pad_id: Fills up shorter texts of a batch.
        device: Of the model.
    """

    ids: tuple[np.ndarray, ...]
    begins: np.ndarray
    lengths: np.ndarray
    truncated: int
    pad_id: int
    device: str

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`."""
        longest = int(self.lengths[positions].max())
        ids = np.full((len(positions), longest), self.pad_id, dtype=np.int64)
        targets = np.full((len(positions), longest), _NOT_ASKED, dtype=np.int64)
        for row, position in enumerate(positions):
            text, begin = self.ids[position], self.begins[position]
            ids[row, : len(text)] = text
            targets[row, begin : len(text)] = text[begin:]
        # Padding stands behind everything, where a decoder does not look: attention needs no mask.
        asked = torch.from_numpy(targets[:, 1:]).to(self.device)
        where = asked != _NOT_ASKED
        return prediction_loss(model, torch.from_numpy(ids[:, :-1]).to(self.device), where, asked[where])


def tokenise_answers(examples: Examples, vocabulary: Vocabulary, max_length: int, device: str) -> Answers:
    """Prompts and answers as tokens of at most `max_length`; a long prompt loses its beginning first."""
    prompts = _encode([text + BEHIND_PROMPT for text in examples.texts], vocabulary, special=True)
    answers = _encode([str(label) for label in examples.labels], vocabulary, special=False)
    ids, begins, truncated = [], [], 0
    for prompt, answer in zip(prompts, answers, strict=True):
        said = [*answer, *vocabulary.after]
        room = max(1, max_length - len(said))
        truncated += len(prompt) > room or len(said) >= max_length
        given = prompt[-room:]
        ids.append(np.array((given + said)[:max_length], dtype=np.int32))
        begins.append(len(given))
    lengths = np.array([len(one) for one in ids], dtype=np.int64)
    return Answers(tuple(ids), np.array(begins), lengths, truncated, vocabulary.after[0], device)


def _encode(texts: Sequence[str], vocabulary: Vocabulary, *, special: bool) -> list[list[int]]:
    """Ids of each text; with the beginning that the tokenizer gives every text, but never with its end."""
    before = list(vocabulary.before) if special else []
    found = vocabulary.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [before + encoding.ids for encoding in found]
