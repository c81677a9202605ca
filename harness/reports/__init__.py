"""One module for each way of showing a result, and what they share."""
