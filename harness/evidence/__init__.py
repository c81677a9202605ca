"""What the logs prove: runs matched to claims, and the accounting of bytes, time, scores and statistics."""
