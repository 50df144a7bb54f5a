"""Learning to answer prompts: the split, the tokens, and the loss on the answers only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trifold.data.split import hold_out
from trifold.errors import DataError
from trifold.pretrain.objectives import prediction_loss
from trifold.pretrain.special_tokens import Vocabulary
from trifold.train.objective import BatchLoss
from trifold.types import Examples, Split, single_texts

# Text between a prompt and its answer, in training and in use.
BEHIND_PROMPT = "\n"
_MIN_ROWS = 10
_IGNORED = -100


def split_answers(examples: Examples) -> Split:
    """Split into 64 % training, 16 % validation and 20 % test, as every command does, but without stratifying.

    Prompts that are also in the test or the validation part are removed from the training part.

    Raises:
        DataError: If there are too few rows.
    """
    if len(examples) < _MIN_ROWS:
        raise DataError(f"the file has {len(examples)} usable rows: give at least {_MIN_ROWS}")
    rest, test = hold_out(np.arange(len(examples)))
    train, validation = hold_out(rest)
    prompts = [text.strip() for text in examples.texts]
    tested = {prompts[row] for row in test}
    kept_validation = [row for row in validation if prompts[row] not in tested]
    seen = tested | {prompts[row] for row in kept_validation}
    kept = [row for row in train if prompts[row] not in seen]
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
    """Objective: cross-entropy of a decoder on the tokens of the answers, given the prompts.

    Attributes:
        ids: For each text the tokens of prompt, answer and end of text, `(tokens,)` int32.
        begins: `(texts,)`, position of the answer's first token.
        lengths: `(texts,)`, tokens of each text.
        truncated: Number of texts whose prompt lost its beginning or whose answer lost its end.
        pad_id: The token id that shorter texts of a batch are padded with.
        device: The model's device.
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
        targets = np.full((len(positions), longest), _IGNORED, dtype=np.int64)
        for row, position in enumerate(positions):
            text, begin = self.ids[position], self.begins[position]
            ids[row, : len(text)] = text
            targets[row, begin : len(text)] = text[begin:]
        # No attention mask is needed: padding comes last, and a decoder attends only to earlier tokens.
        asked = torch.from_numpy(targets[:, 1:]).to(self.device)
        where = asked != _IGNORED
        return prediction_loss(model, torch.from_numpy(ids[:, :-1]).to(self.device), where, asked[where])


def tokenise_answers(examples: Examples, vocabulary: Vocabulary, max_length: int, device: str) -> Answers:
    """Tokenise prompts and answers, together at most `max_length` tokens; a long prompt loses its beginning first."""
    prompts = _encode([text + BEHIND_PROMPT for text in single_texts(examples.texts)], vocabulary, special=True)
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
    """Token ids of each text, with the tokenizer's tokens before a text if `special`, but never those after it."""
    before = list(vocabulary.before) if special else []
    found = vocabulary.tokenizer.encode_batch(list(texts), add_special_tokens=False)
    return [before + encoding.ids for encoding in found]
