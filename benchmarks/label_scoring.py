"""How fast labels are scored by a decoder: Trifold beside a hand-written loop over transformers, in turns.

    python benchmarks/label_scoring.py [--llm hf:gemma-270m] [--texts 1000] [--turns 3] [--exact 200] [fixed] [nearest]

Two labels of SST-2 sentences with eight examples: the same ones for every text (`fixed`), or the most similar ones of
each (`nearest`). Trifold labels as `--method prompt` does, log included, with an empty log each turn. The loop reads
batches of 16 prompts, padded on the left, and computes the logits of the last place alone. Both read the same prompts.
The machine's rate is that of a large product of bfloat16 matrices, measured in every turn; the share of it counts
multiply-adds of real tokens: of the layers' matrices, of attention to the tokens in sight, of the head at places that
are asked for. `--exact` texts are scored in float32 as well, to say how far each way's probabilities are from those.

Nothing else may run meanwhile. Raw rows and facts go to results/label_scoring/. Needs TRIFOLD_DATA.
"""

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from provenance import provenance
from result_tables import Row, labelled_texts, write_rows
from trifold.engines.attention_windows import layer_windows
from trifold.llm.causal_model import CausalModel
from trifold.llm.few_shot import FixedShots, choose_balanced
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask, Shots
from trifold.llm.likelihood import Likelihoods
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import labeller_of, open_llm
from trifold.llm.prompt_template import Example
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import ComputeSettings
from trifold.runtime import Runtime, machine_load, prepare
from trifold.types import Examples

RESULTS = Path(__file__).parent / "results" / "label_scoring"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
WORDS = ("negative", "positive")
SHOTS, BATCH, POOL = 8, 16, 2_000
RUNTIME = Runtime("cpu", "bfloat16")
# Sentences of the development part, and as many of the training part's longer phrases as are missing.
FEWEST_WORDS = 8


def main() -> None:
    """Measure what is asked for, in turns, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["fixed", "nearest"])
    parser.add_argument("--llm", default="hf:gemma-270m")
    parser.add_argument("--texts", type=int, default=1_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--exact", type=int, default=200)
    asked = parser.parse_args()
    prepare()
    texts, labels, train = data(asked.texts)
    opened = open_llm(LlmSettings(llm=asked.llm), ComputeSettings(device="cpu", precision="bfloat16"))
    if not isinstance(opened, CausalModel):
        raise SystemExit(f"{asked.llm} is no decoder")
    loop = Loop(opened)
    for part in asked.parts:
        task = LabellingTask(plain_prompt(WORDS), WORDS, "{text} {mask}", SHOTS_OF[part](train))
        rows, facts = compared(opened, loop, task, texts, labels, asked.turns)
        facts |= exactness(loop, task, texts[: asked.exact], rows)
        write_rows(RESULTS / f"{part}.parquet", rows)
        kept = {**provenance(), "llm": asked.llm, "shots": SHOTS, "texts": len(texts), "batch": BATCH, **facts}
        (RESULTS / f"{part}.json").write_text(json.dumps(kept, indent=1) + "\n")
        print(part, json.dumps(facts, indent=1), flush=True)


def data(count: int) -> tuple[list[str], list[str], Examples]:
    """Texts to label, their labels as words, and rows to draw examples from."""
    dev = labelled_texts(DATA / "sst2" / "dev.parquet")
    train = labelled_texts(DATA / "sst2" / "train.parquet")
    random.Random(0).shuffle(train)
    more = [row for row in train[POOL:] if len(row[0].split()) >= FEWEST_WORDS]
    rows = [*dev, *more][:count]
    pool = train[:POOL]
    return (
        [text for text, _ in rows],
        [WORDS[int(label)] for _, label in rows],
        Examples(
            tuple(range(1, POOL + 1)), tuple(text for text, _ in pool), tuple(WORDS[int(label)] for _, label in pool)
        ),
    )


def fixed(train: Examples) -> Shots:
    """As many examples of each label, the same for every text."""
    chosen = train.take(choose_balanced(train, SHOTS, seed=0))
    return FixedShots(examples_of(chosen))


def nearest(train: Examples) -> Shots:
    """Each text's most similar examples; by words in common, so that no other model is measured along with this one."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from trifold.llm.few_shot import NearestShots

    vectorizer = TfidfVectorizer().fit(train.texts)
    vectors = vectorizer.transform(train.texts).toarray().astype(np.float32)

    def embed(texts: Sequence[str]) -> np.ndarray:
        found: np.ndarray = vectorizer.transform(texts).toarray().astype(np.float32)
        return found

    return NearestShots(examples_of(train), vectors, SHOTS, embed)


SHOTS_OF = {"fixed": fixed, "nearest": nearest}


def examples_of(rows: Examples) -> tuple[Example, ...]:
    return tuple(Example({"text": str(text)}, str(label)) for text, label in zip(rows.texts, rows.labels, strict=True))


class Loop:
    """What one writes by hand: the tokenizer's batches, padded on the left, and the logits of the last place.

    Args:
        opened: Whose weights, tokenizer and prompts are used; the weights are loaded anew, as transformers does it.
    """

    def __init__(self, opened: CausalModel) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.opened = opened
        self.folder = opened.files.folder
        self.model = AutoModelForCausalLM.from_pretrained(self.folder, dtype=torch.bfloat16).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(self.folder, padding_side="left")
        self.tokenizer.pad_token = self.tokenizer.pad_token or self.tokenizer.eos_token

    @torch.inference_mode()
    def probabilities(self, task: LabellingTask, texts: list[str], model: Any = None) -> np.ndarray:
        """Of the second word, `(texts,)`; both words are one token behind the prompt."""
        model = model or self.model
        prompts = [self.opened.shown(conversation) for conversation in task.conversations(texts)]
        words = [self.tokenizer(f" {word}", add_special_tokens=False)["input_ids"] for word in WORDS]
        if any(len(word) > 1 for word in words):
            raise SystemExit("the labels are more than one token, which this loop does not score")
        chosen = torch.tensor(words)[:, 0]
        found = []
        for begin in range(0, len(prompts), BATCH):
            # The space before a word belongs to it.
            batch = [prompt.rstrip(" ") for prompt in prompts[begin : begin + BATCH]]
            inputs = self.tokenizer(batch, padding=True, return_tensors="pt")
            logits = model(**inputs, logits_to_keep=1).logits[:, -1].float()
            found.append(logits.log_softmax(-1)[:, chosen].softmax(-1)[:, 1])
        return torch.cat(found).double().numpy()


def compared(
    opened: CausalModel, loop: Loop, task: LabellingTask, texts: list[str], labels: list[str], turns: int
) -> tuple[list[Row], dict[str, Any]]:
    """Both ways in turns: raw rows, and every turn's seconds."""
    found: dict[str, np.ndarray] = {}
    measured = []
    work = multiply_adds(opened, task, texts)
    for _ in range(turns):
        turn: dict[str, Any] = {"load_before": machine_load(), "matrix_rate": matrix_rate()}
        # Nothing is kept from the turn before; how the model is run is found out before the clock starts.
        opened.likelihoods = Likelihoods(opened.model, RUNTIME, RUNTIME.token_budget)
        assert opened.likelihoods.shares
        begun = time.perf_counter()
        found["trifold"] = by_trifold(opened, task, texts)
        turn["trifold_seconds"] = time.perf_counter() - begun
        turn["trifold_tokens"] = opened.likelihoods.tokens_computed
        begun = time.perf_counter()
        found["loop"] = loop.probabilities(task, texts)
        turn["loop_seconds"] = time.perf_counter() - begun
        turn["load_after"] = machine_load()
        turn["speed_up"] = turn["loop_seconds"] / turn["trifold_seconds"]
        turn["share_of_matrix_rate"] = work / turn["trifold_seconds"] / turn["matrix_rate"]
        measured.append(turn)
        print(turn, flush=True)
    rows = [
        {"run": way, "row": row, "label": label, "prediction": WORDS[int(p >= 0.5)], "probability": float(p)}
        for way, probabilities in found.items()
        for row, (label, p) in enumerate(zip(labels, probabilities, strict=True))
    ]
    differences = np.abs(found["trifold"] - found["loop"])
    facts = {
        "turns": measured,
        "multiply_adds": work,
        "median_speed_up": float(np.median([turn["speed_up"] for turn in measured])),
        "median_share": float(np.median([turn["share_of_matrix_rate"] for turn in measured])),
        "difference": spread(differences),
        "predictions_that_differ": int(((found["trifold"] >= 0.5) != (found["loop"] >= 0.5)).sum()),
    }
    return rows, facts


def by_trifold(opened: CausalModel, task: LabellingTask, texts: list[str]) -> np.ndarray:
    """Of the second word, `(texts,)`."""
    with tempfile.TemporaryDirectory() as folder:
        labeller = labeller_of(opened, task, LlmSettings(log=Path(folder) / "log.sqlite"), PromptingSettings())
        assert isinstance(labeller, LikelihoodLabeller)
        logits = labeller.judge(texts).logits
    found: np.ndarray = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    return found


def exactness(loop: Loop, task: LabellingTask, texts: list[str], rows: list[Row]) -> dict[str, Any]:
    """How far both ways are from float32."""
    from transformers import AutoModelForCausalLM

    if not texts:
        return {}
    exact = loop.probabilities(task, texts, AutoModelForCausalLM.from_pretrained(loop.folder, dtype=torch.float32))
    return {
        "from_float32": {
            way: spread(np.abs([row["probability"] for row in rows if row["run"] == way][: len(texts)] - exact))
            for way in ("trifold", "loop")
        }
    }


def spread(differences: np.ndarray) -> dict[str, float]:
    return {
        "mean": float(differences.mean()),
        "percentile_99": float(np.percentile(differences, 99)),
        "largest": float(differences.max()),
    }


def matrix_rate(size: int = 4_096, repeats: int = 3) -> float:
    """Multiply-adds a second of a large bfloat16 product."""
    one, other = (torch.randn(size, size, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(repeats):
        begun = time.perf_counter()
        one @ other
        best = min(best, time.perf_counter() - begun)
    return size**3 / best


def multiply_adds(opened: CausalModel, task: LabellingTask, texts: list[str]) -> float:
    """Of the tokens that must be computed: the common prefix once, then the rest of each prompt."""
    config = opened.model.config.get_text_config()
    prompts = [opened.tokens(conversation, strip=True) for conversation in task.conversations(texts)]
    first, last = min(prompts), max(prompts)
    shared = next(i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    positions = np.concatenate([np.arange(shared), *(np.arange(shared, len(prompt)) for prompt in prompts)])
    windows = layer_windows(config) or {}
    kinds = getattr(config, "layer_types", None) or list(windows) * config.num_hidden_layers
    width = config.num_attention_heads * config.head_dim
    attended = sum(np.minimum(positions + 1, windows[kind] or np.inf).sum() for kind in kinds)
    matrices = config.num_hidden_layers * (
        2 * config.hidden_size * width
        + 2 * config.hidden_size * config.num_key_value_heads * config.head_dim
        + 3 * config.hidden_size * config.intermediate_size
    )
    head = len(texts) * config.hidden_size * config.vocab_size
    return float(len(positions) * matrices + 2 * width * attended + head)


if __name__ == "__main__":
    main()
