"""Learning from unlabelled text: a corpus, packed blocks, masked words and next words, and what such models are good for."""
