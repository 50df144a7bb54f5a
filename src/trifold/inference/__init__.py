"""Open a run and predict: single texts, or the rows of a file. It is used while training and trains nothing itself."""
