"""Follows single tokens through a script: which of them a key, a mixture or a gate was computed from."""
