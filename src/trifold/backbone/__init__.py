"""Pretrained models: find them, tokenise for them, batch, run. Knows nothing of labels or methods."""
