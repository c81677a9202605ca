"""Muon plain and on banks, AdamW groups, schedules, averages of the weights."""
