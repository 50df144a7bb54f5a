"""Pretrained models, generic on transformers: find them, tokenise, batch, heads, adapters. Knows nothing of speed."""
