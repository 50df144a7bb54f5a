"""Language models small enough to train in seconds: a decoder that answers prompts, an encoder that fills gaps."""

import random
from pathlib import Path
from typing import Any

from trifold.llm.label_words import plain_prompt
from trifold.llm.prompt_template import Conversation, Example, Message
from trifold.llm.prompt_writer import ask_for_prompt

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")


def prompted(lines: list[tuple[str, str]], rng: random.Random, most_shots: int = 2) -> list[Conversation]:
    """Each line as the plain prompt puts it, with up to `most_shots` other lines as examples and its label answered."""
    prompt = plain_prompt(("bad", "good"))
    found = []
    for text, label in lines:
        shots = tuple(Example({"text": shot}, said) for shot, said in rng.sample(lines, rng.randint(0, most_shots)))
        asked = type(prompt)(**{**vars(prompt), "examples": shots}).render({"text": text})
        found.append((*asked, Message("assistant", label)))
    return found


def as_text(conversation: Conversation) -> str:
    return "".join(f"<|{one.role}|>{one.content}<|end|>" for one in conversation)


WISH = "tell praise from blame in film reviews"
WRITTEN = """
```toml
role = "You read reviews of films."
task = "Review: {text}"
instructions = [
  "Praise is good.",
  "Blame is bad.",
]

[output]
labels = ["bad", "good"]

[variables]
text = "The review."
```
"""


def writing() -> Conversation:
    """A wish for a prompt, granted."""
    return (*ask_for_prompt(WISH), Message("assistant", WRITTEN))


def train_decoder(folder: Path, conversations: list[Conversation], lesson: Conversation, steps: int = 100) -> Path:
    """A Llama of two layers and width 64 that has learned the last turn of each conversation, and a long one by heart."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=list(SPECIAL), initial_alphabet=alphabet)
    tokenizer.train_from_iterator([one.content for turns in (*conversations, *[lesson] * 20) for one in turns], trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|end|>")
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=1024, pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    lessons = [_ids(fast, turns) for turns in conversations]
    _learn(model, lessons, _ids(fast, lesson), steps)
    model.save_pretrained(folder)
    return folder


def _ids(tokenizer: Any, turns: Conversation) -> tuple[list[int], int]:
    """Token ids, and where the last turn begins."""
    prompt = tokenizer(as_text(turns[:-1]) + "<|assistant|>")["input_ids"]
    return prompt + tokenizer(turns[-1].content + "<|end|>")["input_ids"], len(prompt)


def _learn(model: Any, rows: list[tuple[list[int], int]], by_heart: tuple[list[int], int], steps: int) -> None:
    import torch

    rng = random.Random(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    for _ in range(steps):
        # One long row, and many short ones, whose loss is not drowned in it.
        for batch in ([by_heart], rng.sample(rows, min(8, len(rows)))):
            _loss(model, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()


def _loss(model: Any, batch: list[tuple[list[int], int]]) -> Any:
    import torch

    longest = max(len(ids) for ids, _ in batch)
    ids = torch.zeros((len(batch), longest), dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for place, (row, start) in enumerate(batch):
        ids[place, : len(row)] = torch.tensor(row)
        labels[place, start : len(row)] = torch.tensor(row[start:])
    lengths = torch.tensor([[len(row)] for row, _ in batch])
    return model(input_ids=ids, attention_mask=(torch.arange(longest) < lengths).long(), labels=labels).loss


def train_gap_filler(folder: Path, encoder: Path, lines: list[tuple[str, str]], cloze: str, steps: int = 120) -> Path:
    """The encoder with a head for masked words that has learned to fill the gap of `cloze` with each line's word."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(encoder)
    torch.manual_seed(0)
    model = BertForMaskedLM(BertConfig.from_pretrained(encoder))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rng = random.Random(0)
    for _ in range(steps):
        batch = rng.sample(lines, 32)
        texts = [cloze.replace("{text}", text).replace("{mask}", tokenizer.mask_token) for text, _ in batch]
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        words = torch.tensor([tokenizer.convert_tokens_to_ids(word) for _, word in batch])
        gaps = inputs["input_ids"] == tokenizer.mask_token_id
        torch.nn.functional.cross_entropy(model(**inputs).logits[gaps], words).backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
