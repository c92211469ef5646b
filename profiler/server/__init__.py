"""Drives a live OpenAI-compatible LLM server: what it is, prompts of a length, load in flight."""
