"""The board: rows from reports, runs and curated data, the chain of records, and what is shown of it."""
