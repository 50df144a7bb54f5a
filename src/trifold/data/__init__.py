"""Files to examples: read, guess columns, check, split. Knows nothing of models."""
