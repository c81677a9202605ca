"""Tokens and bytes the harness owns: shard files, byte tables, the demo corpus, preparing, verifying."""
