"""How a table of tokens let the scored token into its own score, read from the events of the token pass."""
