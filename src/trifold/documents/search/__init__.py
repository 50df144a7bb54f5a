"""An index of documents on disk: vectors and keywords, and how both are ranked together."""
