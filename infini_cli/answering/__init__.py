"""Answers and summaries: evidence found, prompts made, sentences held against the text, places cited."""
