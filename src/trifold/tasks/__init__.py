"""What is to be learned: the label set and its encoding. Knows nothing of models."""
