"""The one training loop, its schedule and its history. Knows nothing of labels: an objective does."""
