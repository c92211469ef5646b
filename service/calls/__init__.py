"""The calls of the service from body to answer, without HTTP."""
