"""The ways to adapt a backbone, each behind one contract; a file here holds only what differs."""

from trifold.methods.catalogue import METHODS, method_entry

__all__ = ["METHODS", "method_entry"]
