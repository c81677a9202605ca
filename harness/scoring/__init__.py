"""Scores that the harness computes: a submission hands in log-probabilities, and nothing else counts.

`client` and `wire` are the submission's side and are put into its sandbox as the package `golf_scoring`;
`sealed_scores` keeps what was handed in, `evaluator` talks to the submission.
"""
