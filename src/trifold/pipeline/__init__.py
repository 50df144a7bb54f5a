"""Whole commands, from a file to a run folder: what the command line and scripts call."""
