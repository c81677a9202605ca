"""Questions to runs of a script, each a pure function of what the runs recorded."""
