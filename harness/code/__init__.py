"""The code: entry script, what it reaches, wrappers undone, all in a guarded child process."""
