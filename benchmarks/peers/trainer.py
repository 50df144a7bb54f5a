"""Full fine-tuning, or LoRA through peft, with the stock Hugging Face Trainer.

    python benchmarks/peers/trainer.py ROWS.csv MODEL_FOLDER [--best] [--lora] [--epochs N] [--batch-size N]

`--best`: length grouping, batches of 8, bfloat16 where the processor has it; run it with the allocator's thresholds in
the environment, too (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_). All rows train. Prints one JSON line.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import pandas as pd
from datasets import Dataset
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
given = parser.parse_args()

rows = pd.read_csv(given.rows)
tokenizer = AutoTokenizer.from_pretrained(given.model)
table = Dataset.from_dict({"text": rows.text.tolist(), "label": rows.label.astype("category").cat.codes.tolist()})
table = table.map(lambda b: tokenizer(b["text"], truncation=True, max_length=250), batched=True, remove_columns="text")
model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=rows.label.nunique())
if given.lora:
    from peft import LoraConfig, TaskType, get_peft_model

    model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16))
flags = Path("/proc/cpuinfo").read_text()
best = {"train_sampling_strategy": "group_by_length", "bf16": "avx512_bf16" in flags or "amx_bf16" in flags}
arguments = TrainingArguments(
    tempfile.mkdtemp(), num_train_epochs=given.epochs, use_cpu=True, save_strategy="no", report_to=[],
    disable_tqdm=True,
    per_device_train_batch_size=given.batch_size or (8 if given.best else 32), seed=0, **(best if given.best else {}),
)  # fmt: skip
trainer = Trainer(model=model, args=arguments, train_dataset=table, data_collator=DataCollatorWithPadding(tokenizer))
started = time.perf_counter()
trainer.train()
seconds = time.perf_counter() - started
status = Path("/proc/self/status").read_text()
peak = next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
print(json.dumps({"train_seconds": seconds, "loop_seconds": seconds, "peak_bytes": peak}))
