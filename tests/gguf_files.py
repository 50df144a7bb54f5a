"""Tiny GGUF files with random weights, written as llama.cpp's converter writes them."""

from pathlib import Path
from typing import Any

import numpy as np

SIZES = {
    "vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128,
}  # fmt: skip
# What llama.cpp calls an architecture of transformers.
KINDS = {
    "llama": "llama", "gemma3": "gemma3_text", "gemma2": "gemma2", "qwen2": "qwen2", "qwen3": "qwen3", "phi3": "phi3",
    "gpt2": "gpt2",
}  # fmt: skip


def tiny_config(architecture: str) -> Any:
    """A configuration of transformers for a model of that architecture."""
    from transformers import AutoConfig

    more: dict[str, Any] = {
        "llama": {"head_dim": 16},
        "gemma3": {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 256, "layer_types": None},
        "gemma2": {"head_dim": 16, "sliding_window": 16, "layer_types": None},
        # transformers takes it for granted that it is as large as in the models of that name
        "qwen3": {"head_dim": 128},
        "phi3": {"pad_token_id": 0},
    }.get(architecture, {})
    if architecture == "gpt2":
        return AutoConfig.for_model(
            "gpt2", vocab_size=300, n_embd=64, n_layer=2, n_head=4, n_positions=1024, n_ctx=1024
        )
    tied = architecture.startswith("gemma")
    return AutoConfig.for_model(KINDS[architecture], **SIZES, **more, tie_word_embeddings=tied)


def write_gguf(path: Path, architecture: str = "llama", seed: int = 0, *, leave_out: str = "") -> Path:
    """A model with random weights, its large matrices in 8 bits.

    Args:
        path: The file.
        architecture: As llama.cpp calls it, one of `KINDS`.
        seed: Draws the weights.
        leave_out: A tensor that the file lacks.
    """
    import gguf
    import torch
    from transformers import AutoModelForCausalLM

    config = tiny_config(architecture)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    kind = next(kind for kind, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, config.num_hidden_layers)
    writer = gguf.GGUFWriter(str(path), architecture)
    _describe(writer, architecture, config)
    rng = np.random.default_rng(seed)
    for name, weight in model.named_parameters():
        stem, _, ending = name.rpartition(".")
        gguf_name = f"{names.get_name(stem)}.{ending}"
        if gguf_name == leave_out:
            continue
        drawn = rng.normal(0, 0.2, tuple(weight.shape)).astype(np.float32)
        if weight.ndim == 1:
            writer.add_tensor(gguf_name, drawn + 1)
        else:
            # GPT-2's are stored the other way round.
            drawn = drawn.T.copy() if architecture == "gpt2" and "blk." in gguf_name else drawn
            quantised = gguf.quantize(drawn, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(gguf_name, quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer: Any, architecture: str, config: Any) -> None:
    writer.add_context_length(1024 if architecture == "gpt2" else 128)
    writer.add_embedding_length(64)
    writer.add_block_count(2)
    writer.add_feed_forward_length(256 if architecture == "gpt2" else 96)
    writer.add_head_count(4)
    if architecture == "gpt2":
        writer.add_layer_norm_eps(1e-5)
        _byte_level_tokenizer(writer)
        return
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    writer.add_rope_dimension_count(16)
    writer.add_key_length(config.head_dim if architecture == "qwen3" else 16)
    writer.add_value_length(config.head_dim if architecture == "qwen3" else 16)
    writer.add_vocab_size(300)
    if architecture.startswith("gemma"):
        writer.add_sliding_window(16)
    if architecture.startswith("qwen"):
        _byte_level_tokenizer(writer)
    else:
        _sentence_pieces(writer)


def _sentence_pieces(writer: Any) -> None:
    """Bytes, letters, and a few words that merge from them."""
    words = ["▁", *"abcdefghilmnoprstuvw", "th", "the", "▁the", "fi", "lm", "film", "▁film", "is", "▁is", "go", "od"]
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    tokens += [f"<unused{number}>" for number in range(300 - len(tokens))]
    kinds = [3, 3, 3, 2, *[6] * 256, *[1] * (len(tokens) - 260)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(number) for number in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(3)
    writer.add_pad_token_id(0)
    writer.add_add_bos_token(True)


def _byte_level_tokenizer(writer: Any) -> None:
    from tokenizers import pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = ["t h", "th e", "f i", "l m", "fi lm", "i s"]
    tokens = ["<|endoftext|>", *alphabet, *(merge.replace(" ", "") for merge in merges)]
    tokens += [f"<|unused{number}|>" for number in range(300 - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_merges(merges)
    writer.add_token_types([3, *[1] * 262, *[3] * (len(tokens) - 263)])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
