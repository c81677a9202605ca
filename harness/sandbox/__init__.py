"""Runs an untrusted command, ends every process of it, and says which protections were in force."""
