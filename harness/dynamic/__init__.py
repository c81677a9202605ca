"""Runs a submission's own script small, on a CPU, and asks of what it did what text cannot answer."""
