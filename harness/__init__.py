"""golf-harness: reads, judges, runs and ranks submissions of a Parameter Golf style challenge."""

__version__ = "0.1.0"
