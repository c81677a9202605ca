"""The static audit: what a script would do under a configuration, told as events that rules read."""
