"""What calls of libraries mean to the interpreter. Each module registers its part on import."""
