"""Batches in files: a body of `POST /plan`, CSV, Parquet, or the lines of an OpenAI batch."""
