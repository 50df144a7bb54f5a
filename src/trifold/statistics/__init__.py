"""Figures with their uncertainty, and which of several methods they speak for. Knows nothing of files or models."""
