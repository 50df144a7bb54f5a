"""Pretraining on unlabelled text: corpus, packed blocks, masked and next words; and using such models."""
