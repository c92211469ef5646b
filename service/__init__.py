"""The planning service: requests in, a placement plan out, over HTTP."""
