"""Runs of a submission: one record for each seed, written once, and never lost."""
