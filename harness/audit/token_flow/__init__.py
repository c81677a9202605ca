"""Follows single tokens through a script: which of them a table key, a mixture or a gate was computed from."""
