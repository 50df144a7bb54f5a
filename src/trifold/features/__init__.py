"""What is computed once per text and kept on disk: tokens, pooled vectors, prefix states. Knows nothing of labels."""
