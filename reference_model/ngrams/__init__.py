"""Counts of the tokens already scored, mixed into the model as whole distributions."""
