"""Summaries of a text's own sentences, or by a language model."""
