"""Evaluations: what a model recalls of what it read, how well it predicts and reads, and controls beside both."""
