"""Texts as vectors, by any encoder, in memory and as a file."""
