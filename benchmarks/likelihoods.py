"""How much the shared prefix saves: label likelihoods of 50 texts, 5 labels, 8 examples, cached and plain.

    python benchmarks/likelihoods.py

A decoder of 6 layers and width 384 with random weights (its speed does not depend on them), one thread, of which the
processor time is measured. Both ways must give the same figures to 1e-4. Keeps results/likelihoods.json with every
timing; the bar is a speed-up of at least 0.6 of the ratio of the tokens that go through the model.
"""

import json
import random
import time
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from provenance import provenance
from trifold.llm.likelihood import Likelihoods
from trifold.llm.token_tree import Continuations
from trifold.runtime import Runtime, prepare

RESULT = Path(__file__).parent / "results" / "likelihoods.json"
TEXTS, LABEL_TOKENS, EXAMPLES, TEXT_TOKENS, REPEATS = 50, (1, 1, 2, 2, 3), 8, (20, 60), 3
VOCABULARY = 8_000


def rows(seed: int) -> list[Continuations]:
    """Prompts of instructions and examples that are the same, and texts that are not."""
    rng = random.Random(seed)

    def some(count: int) -> tuple[int, ...]:
        return tuple(rng.randrange(VOCABULARY) for _ in range(count))

    prefix = some(40 + EXAMPLES * (sum(TEXT_TOKENS) // 2 + 8))
    words = tuple(some(count) for count in LABEL_TOKENS)
    return [Continuations(prefix + some(rng.randint(*TEXT_TOKENS)) + (7, 8, 9), words) for _ in range(TEXTS)]


def main() -> None:
    """Measure, check, keep."""
    prepare()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=384, intermediate_size=1024, num_hidden_layers=6, num_attention_heads=6,
        max_position_embeddings=2048,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval()
    runs = []
    for repeat in range(REPEATS):
        given = rows(repeat)
        scorer = Likelihoods(model, Runtime("cpu", "float32"), 4_096)
        begun = time.process_time()
        shared = scorer.of(given)
        shared_seconds, shared_tokens = time.process_time() - begun, scorer.tokens_computed
        scorer.tokens_computed = 0
        begun = time.process_time()
        plain = scorer.plain(given)
        plain_seconds, plain_tokens = time.process_time() - begun, scorer.tokens_computed
        runs.append(
            {
                "shared_seconds": shared_seconds,
                "plain_seconds": plain_seconds,
                "shared_tokens": shared_tokens,
                "plain_tokens": plain_tokens,
                "largest_difference": float(np.abs(shared - plain).max()),
                "speed_up": plain_seconds / shared_seconds,
                "token_ratio": plain_tokens / shared_tokens,
            }
        )
        print(runs[-1], flush=True)
    facts = {
        **provenance(),
        "threads": torch.get_num_threads(),
        "texts": TEXTS,
        "labels": len(LABEL_TOKENS),
        "runs": runs,
    }
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
