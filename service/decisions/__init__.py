"""One decision for one request: a table look-up in the process that speaks HTTP."""
