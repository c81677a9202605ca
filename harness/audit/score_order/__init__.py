"""Whether each token's score was fixed before anything learned from it, read from the events of a profile."""
