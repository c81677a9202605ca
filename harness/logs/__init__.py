"""Train logs: bytes -> text -> line events -> runs, every value with its line."""
