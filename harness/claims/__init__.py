"""What a submission says of itself: submission.json in every layout people use, and its README."""
