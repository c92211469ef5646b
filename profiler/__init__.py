"""Measurements of LLM serving to cost models: import, fit, cross-validate, check and show."""
