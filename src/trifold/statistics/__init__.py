"""Metrics with their intervals, calibration, and the choice among several methods. Knows nothing of files or models."""
