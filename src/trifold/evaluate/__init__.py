"""From predictions to a decision: metrics of a run, leaderboard, verdict, report. Trains nothing."""
