"""The rules of a schedule written out slowly, request by request: by these, plans are judged.

A second implementation, independent of the planning's own; for small batches.
"""
