"""Scores: windows, the score ledger, score-first test-time training."""
