"""What masked-language-model training does in a transformers Trainer: the peer that `pretrain.py speed` measures.

    python benchmarks/peers/trainer_mlm.py BLOCKS.npy FOLDER defaults|best STEPS

Reads packed blocks of ids, takes STEPS optimiser steps and prints a JSON line: tokens and seconds of every step but the
first two. `defaults` changes nothing that Trainer and collator do by themselves; `best` is the best we know of without
leaving the Trainer: no dropout, batches of 16, whatever precision the processor multiplies natively, and the
allocator's thresholds raised.
"""

import json
import sys
import tempfile
import time
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

_WARM_STEPS = 2


class Clock(TrainerCallback):
    """Notes when each step ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.ends.append(time.monotonic())


def main() -> None:
    """Train and print."""
    blocks_path, folder, mode, steps = sys.argv[1:5]
    blocks = np.load(blocks_path)
    best = mode == "best"
    dropouts = {"attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0} if best else {}
    native = False
    if best:
        from trifold.runtime import cpu_multiplies_bfloat16, prepare

        prepare()
        native = cpu_multiplies_bfloat16()
    model = AutoModelForMaskedLM.from_pretrained(folder, local_files_only=True, **dropouts)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    chosen: dict[str, Any] = {"per_device_train_batch_size": 16, "bf16": native} if best else {}
    batch = 16 if best else 8
    rows = [{"input_ids": row} for row in torch.from_numpy(blocks[: batch * int(steps)].astype(np.int64))]
    clock = Clock()
    with tempfile.TemporaryDirectory() as output:
        arguments = TrainingArguments(
            output,
            use_cpu=True,
            max_steps=int(steps),
            report_to="none",
            save_strategy="no",
            disable_tqdm=True,
            **chosen,
        )
        collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
        Trainer(model, arguments, data_collator=collator, train_dataset=rows, callbacks=[clock]).train()
    seconds = np.diff(clock.ends)[_WARM_STEPS - 1 :].tolist()
    print(json.dumps({"mode": mode, "batch": batch, "tokens_per_step": batch * blocks.shape[1], "seconds": seconds}))


if __name__ == "__main__":
    main()
