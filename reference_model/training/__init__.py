"""A run from shards to final scores: loader, clock, checkpoints, log, export."""
