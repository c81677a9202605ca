"""Walks a script's syntax tree under one configuration and records what it would do as events."""
