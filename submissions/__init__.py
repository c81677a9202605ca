"""Complete submission folders made with the reference model, legal ones and ruled-out ones, and their builder."""
