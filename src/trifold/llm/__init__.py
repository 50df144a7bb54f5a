"""Prompting: prompt files, language models behind one contract, labelling with them, and the log of their answers."""
