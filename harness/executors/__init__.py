"""Runs many seeds: here, on a Ray cluster, or by Slurm; each seed on a whole node, found records kept."""
