"""Complete submission folders made with the reference model, legal and ruled-out, and their builder."""
