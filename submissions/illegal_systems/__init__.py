"""Evaluations that the challenge ruled out, written to test the checks that look for them; never use one."""
