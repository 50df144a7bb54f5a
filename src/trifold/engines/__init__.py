"""What computes a forward pass, each in a file that can be removed. Knows nothing of labels, methods or disk."""
