"""Pull requests and records of a local clone, read as objects; which folder is the claim."""
