"""The command line: one file per group of verbs, flags made from the settings dataclasses."""
