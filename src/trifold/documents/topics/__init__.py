"""Texts sorted by what they are about, and their map."""
