"""What a decoder that learned to answer says to the test prompts, and how well it knows their answers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from trifold.data.csv_file import save_rows
from trifold.models.backbone_files import BackboneFiles
from trifold.pretrain.answer_objective import BEHIND_PROMPT, Answers
from trifold.pretrain.generation import continue_text
from trifold.pretrain.perplexity import measures
from trifold.pretrain.settings import WritingSettings
from trifold.pretrain.special_tokens import Vocabulary
from trifold.runtime import Runtime
from trifold.train.objective import evaluate
from trifold.types import Examples

_WRITTEN_ROWS = 100
_LONGEST_ANSWER = 64


def measure_answers(
    model: Any, test: Answers, texts: Examples, vocabulary: Vocabulary, token_budget: int, runtime: Runtime
) -> dict[str, Any]:
    """How well the model knows the answers to the test prompts, for `metrics.json`.

    Args:
        model: The decoder.
        test: The test rows, tokenised.
        texts: The same rows as text.
        vocabulary: Vocabulary of the model.
        token_budget: Tokens of one forward pass.
        runtime: Where it computes.
    """
    figures = evaluate(model, test, token_budget, runtime)
    tokens = int((test.lengths - test.begins).sum())
    said = sum(len(vocabulary.seen(str(answer)).encode()) for answer in texts.labels)
    return measures("clm", figures.loss, figures.accuracy, tokens, said).named()


def write_answers(folder: Path, model: Any, test: Examples, base: BackboneFiles) -> dict[str, Any]:
    """Write `predictions.csv`: what the model answers to the first test prompts, always the likeliest word."""
    rows = list(zip(test.rows, test.texts, test.labels, strict=True))[:_WRITTEN_ROWS]
    settings = WritingSettings(max_new_tokens=_LONGEST_ANSWER, temperature=0.0)
    files = replace(base, folder=folder / "model")
    said = [continue_text(model, files, prompt + BEHIND_PROMPT, settings)[0].strip() for _, prompt, _ in rows]
    right = sum(one == str(answer).strip() for one, (_, _, answer) in zip(said, rows, strict=True))
    columns = ("row", "prompt", "answer", "prediction")
    found = (dict(zip(columns, (*row, one), strict=True)) for row, one in zip(rows, said, strict=True))
    save_rows(folder / "predictions.csv", columns, found)
    return {"exact_match": right / len(rows), "exact_match_rows": len(rows)}
