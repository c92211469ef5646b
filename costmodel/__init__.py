"""Cost models of (LLM, device) pairs: words, formulas, artefacts and their catalogue."""
