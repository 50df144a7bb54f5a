"""Full fine-tuning, or LoRA through peft, with the stock Hugging Face Trainer.

    python benchmarks/peers/trainer.py ROWS.csv MODEL_FOLDER [--best] [--lora] [--epochs N] [--batch-size N] [--test F]

`--best`: length grouping, bfloat16 where the hardware has it, and on a CPU batches of 8; run it with the allocator's
thresholds in the environment, too (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_). LoRA learns at 1e-3, as peft's
examples do: at the Trainer's 5e-5 it would hardly move. All rows train; those of `--test` are predicted after. Prints
one JSON line.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import pandas as pd
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

parser = argparse.ArgumentParser()
parser.add_argument("rows")
parser.add_argument("model")
parser.add_argument("--best", action="store_true")
parser.add_argument("--lora", action="store_true")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--batch-size", type=int)
parser.add_argument("--test")
given = parser.parse_args()

tokenizer = AutoTokenizer.from_pretrained(given.model)


def tokenised(rows: pd.DataFrame) -> list[dict[str, object]]:
    ids = tokenizer(rows.text.tolist(), truncation=True, max_length=250)["input_ids"]
    classes = rows.label.astype("category").cat.codes.tolist()
    return [{"input_ids": one, "label": label} for one, label in zip(ids, classes, strict=True)]


rows = pd.read_csv(given.rows)
table = tokenised(rows)
model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=rows.label.nunique())
if given.lora:
    from peft import LoraConfig, TaskType, get_peft_model

    model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16))
gpu = torch.cuda.is_available()
flags = Path("/proc/cpuinfo").read_text()
native = gpu or "avx512_bf16" in flags or "amx_bf16" in flags
best = {"train_sampling_strategy": "group_by_length", "bf16": native}
arguments = TrainingArguments(
    tempfile.mkdtemp(), num_train_epochs=given.epochs, use_cpu=not gpu, save_strategy="no", report_to=[],
    disable_tqdm=True,
    per_device_train_batch_size=given.batch_size or (8 if given.best and not gpu else 32), seed=0,
    **(best if given.best else {}),
    **({"learning_rate": 1e-3} if given.lora else {}),
)  # fmt: skip
trainer = Trainer(model=model, args=arguments, train_dataset=table, data_collator=DataCollatorWithPadding(tokenizer))
started = time.perf_counter()
trainer.train()
seconds = time.perf_counter() - started
status = Path("/proc/self/status").read_text()
peak = next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
peak += torch.cuda.max_memory_allocated() if gpu else 0
figures = {"train_seconds": seconds, "loop_seconds": seconds, "peak_bytes": peak}
if given.test:
    found = trainer.predict(tokenised(pd.read_csv(given.test)))
    figures["accuracy"] = float((found.predictions.argmax(1) == found.label_ids).mean())
print(json.dumps(figures))
