"""The well-known notebook recipe on a frozen BERT: every epoch reads every text anew, padded to the maximum.

    python benchmarks/peers/notebook.py ROWS.csv MODEL_FOLDER

One epoch, with its leak (validation batches take part in the graph) left out. Prints one JSON line.
"""

import json
import sys
import time

import pandas as pd
import torch
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertModel, BertTokenizer

started = time.perf_counter()
torch.manual_seed(0)
rows = pd.read_csv(sys.argv[1])
parts = train_test_split(rows.text, rows.label, random_state=42, test_size=0.2, stratify=rows.label)
backbone = BertModel.from_pretrained(sys.argv[2])
tokenizer = BertTokenizer.from_pretrained(sys.argv[2])


def batches(texts: pd.Series, labels: pd.Series) -> DataLoader:
    found = tokenizer(texts.tolist(), max_length=250, padding="max_length", truncation=True, return_tensors="pt")
    classes = torch.tensor(labels.astype("category").cat.codes.tolist(), dtype=torch.long)
    return DataLoader(TensorDataset(found["input_ids"], found["attention_mask"], classes), batch_size=32, shuffle=True)


training, validation = batches(parts[0], parts[2]), batches(parts[1], parts[3])
prepared = time.perf_counter()
backbone.requires_grad_(False)
head = torch.nn.Sequential(
    torch.nn.Linear(backbone.config.hidden_size, 512), torch.nn.ReLU(), torch.nn.Dropout(0.1),
    torch.nn.Linear(512, rows.label.nunique()),
)  # fmt: skip
optimiser = torch.optim.AdamW(head.parameters(), lr=1e-5)
for ids, mask, classes in training:
    optimiser.zero_grad()
    states = backbone(ids, mask).last_hidden_state
    torch.nn.functional.cross_entropy(head(states[:, 0]), classes).backward()
    optimiser.step()
right = 0
head.eval()
for ids, mask, classes in validation:
    right += int((head(backbone(ids, mask).last_hidden_state[:, 0]).argmax(1) == classes).sum())
ended = time.perf_counter()
figures = {"prepare_seconds": prepared - started, "epoch_seconds": ended - prepared, "accuracy": right / len(parts[1])}
print(json.dumps(figures))
