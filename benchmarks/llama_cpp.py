"""How fast texts get labels from one GGUF file: Trifold's likelihoods beside llama.cpp in this process (xllamacpp).

    python benchmarks/llama_cpp.py FILE.gguf [--texts 300] [--turns 3] [--shots 0 8] [--slots 1 4]

SST-2's development sentences, two labels, the same prompts for both, in turns. llama.cpp answers with one token, as
`max_tokens = 1` with the log-probabilities of the 20 likeliest, which is what a label is read from; its prompt cache is
on, also for sliding windows (`swa_full`), and `--slots` texts are under way at once. Trifold reads the file as
`--llm hf:FILE.gguf` does, converted beforehand, and labels as `label` does, with an empty log each turn. Seconds and
the processor's seconds (of all threads) are measured, since the latter depend less on what else runs.

Raw rows and facts go to results/llama_cpp/. Needs TRIFOLD_DATA.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from label_scoring import WORDS, examples_of
from provenance import provenance
from result_tables import Row, labelled_texts, write_rows
from trifold.llm.causal_model import CausalModel
from trifold.llm.few_shot import FixedShots, choose_balanced
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask
from trifold.llm.open_model import labeller_of, open_llm
from trifold.llm.openai_responses import read_places
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.llm.token_probabilities import label_probabilities
from trifold.models.settings import ComputeSettings
from trifold.runtime import machine_load, prepare, usable_cores
from trifold.types import Examples

RESULTS = Path(__file__).parent / "results" / "llama_cpp"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
TOP_TOKENS = 20
# Room for a prompt with its examples.
CONTEXT = 2_048
WARM_UP = "Or so they say."

Way = Callable[[LabellingTask, list[str]], np.ndarray]


def main() -> None:
    """Measure, in turns, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--shots", type=int, nargs="+", default=[0, 8])
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 4])
    asked = parser.parse_args()
    prepare()
    rows = labelled_texts(DATA / "sst2" / "dev.parquet")[: asked.texts]
    opened = open_llm(LlmSettings(llm=f"hf:{asked.gguf}"), ComputeSettings(device="cpu"))
    assert isinstance(opened, CausalModel)
    ways: dict[str, Way] = {"trifold": lambda task, texts: by_trifold(opened, task, texts)}
    ways |= {f"llama.cpp, {slots} at once": LlamaCpp(asked.gguf, opened, slots) for slots in asked.slots}
    found: list[Row] = []
    facts: dict[str, Any] = {**provenance(), "model": asked.gguf.name, "texts": len(rows), "cores": usable_cores()}
    for shots in asked.shots:
        more, facts[f"{shots} shots"] = compared(ways, task_of(shots), rows, asked.turns, shots)
        found += more
        print(shots, json.dumps(facts[f"{shots} shots"], indent=1), flush=True)
    write_rows(RESULTS / "rows.parquet", found)
    (RESULTS / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def task_of(shots: int) -> LabellingTask:
    """Two labels, with the same examples for every text."""
    train = labelled_texts(DATA / "sst2" / "train.parquet")[:2_000]
    pool = Examples(
        tuple(range(len(train))), tuple(text for text, _ in train), tuple(WORDS[int(label)] for _, label in train)
    )
    shown = examples_of(pool.take(choose_balanced(pool, shots, seed=0)))
    return LabellingTask(plain_prompt(WORDS), WORDS, "{text} {mask}", FixedShots(shown))


def compared(
    ways: dict[str, Way], task: LabellingTask, rows: list[tuple[str, Any]], turns: int, shots: int
) -> tuple[list[Row], dict[str, Any]]:
    """Each way in every turn: the probabilities of the last turn, and all seconds."""
    texts = [text for text, _ in rows]
    measured: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
    last: dict[str, np.ndarray] = {}
    for _ in range(turns):
        for way, label in ways.items():
            # Other texts, since llama.cpp remembers prompts.
            label(task, [f"{text} {WARM_UP}" for text in texts[:4]])
            load, begun, computed = machine_load(), time.perf_counter(), time.process_time()
            last[way] = label(task, texts)
            seconds, processor = time.perf_counter() - begun, time.process_time() - computed
            measured[way].append({"seconds": seconds, "processor_seconds": processor, "load_before": load})
            print(shots, way, measured[way][-1], flush=True)
    found = [
        {"shots": shots, "way": way, "row": row, "label": WORDS[int(label)], "probability": float(p)}
        for way, probabilities in last.items()
        for row, ((_, label), p) in enumerate(zip(rows, probabilities, strict=True))
    ]
    return found, {"turns": measured, **speed_ups(measured)}


def speed_ups(measured: dict[str, list[dict[str, Any]]]) -> dict[str, float]:
    """How many times as many texts a second Trifold labels as llama.cpp at its best, in the median turn."""
    best = min((way for way in measured if way != "trifold"), key=lambda way: median_of(measured[way], "seconds"))
    return {
        name: median_of(measured[best], kind) / median_of(measured["trifold"], kind)
        for name, kind in (("speed_up", "seconds"), ("speed_up_by_processor", "processor_seconds"))
    }


def median_of(turns: list[dict[str, Any]], name: str) -> float:
    return float(np.median([turn[name] for turn in turns]))


def by_trifold(opened: CausalModel, task: LabellingTask, texts: list[str]) -> np.ndarray:
    """Probability of the second word, `(texts,)`."""
    with tempfile.TemporaryDirectory() as folder:
        llm = LlmSettings(log=Path(folder) / "log.sqlite")
        logits = labeller_of(opened, task, llm, PromptingSettings()).judge(texts).logits
    found: np.ndarray = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    return found


class LlamaCpp:
    """llama.cpp's server in this process, asked without HTTP.

    Args:
        gguf: The model.
        opened: The same model here, which writes the prompts.
        slots: Texts under way at once.
    """

    def __init__(self, gguf: Path, opened: CausalModel, slots: int) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_parallel, params.n_ctx, params.swa_full = slots, CONTEXT * slots, True
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = usable_cores()
        params.hostnames, params.port = ["127.0.0.1"], 0
        self._server = xllamacpp.Server(params)
        self._opened = opened
        self._slots = slots

    def __call__(self, task: LabellingTask, texts: list[str]) -> np.ndarray:
        """Probability of the second word, `(texts,)`; one half where no word is among the likeliest tokens."""
        prompts = [self._opened.shown(conversation).rstrip(" ") for conversation in task.conversations(texts)]
        with ThreadPoolExecutor(self._slots) as pool:
            return np.array(list(pool.map(self._one, prompts)))

    def _one(self, prompt: str) -> float:
        asked = {"prompt": prompt, "max_tokens": 1, "temperature": 0, "logprobs": TOP_TOKENS, "cache_prompt": True}
        found = label_probabilities(read_places(self._server.handle_completions(asked)), WORDS)
        return 0.5 if found is None else float(found[1] / found.sum())


if __name__ == "__main__":
    main()
