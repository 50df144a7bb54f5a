"""The ways to adapt a backbone, each behind one contract; a file here holds only what differs."""

from trifold.methods.catalogue import METHODS, PRESETS, method_entry

__all__ = ["METHODS", "PRESETS", "method_entry"]
