"""Which machine a run has, and whether it is the one the track asks for."""
