"""Tests of the interpreter of the static audit, one mechanism each, on small programs of our own."""
