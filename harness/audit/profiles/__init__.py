"""How a submission was run: commands, shell scripts and logs as profiles with provenance."""
