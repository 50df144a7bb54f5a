"""Learning from unlabelled text: a corpus, packed blocks, masked and next words, and what such models say."""
