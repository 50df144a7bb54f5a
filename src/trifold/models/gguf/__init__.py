"""GGUF files: found, read, and converted once into a folder that transformers loads."""
