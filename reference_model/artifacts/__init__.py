"""Weights to bytes and back: quantisation, pruning, containers, the artifact file."""
