"""Open a run and predict: single texts, or files streamed row by row. Trains nothing."""
