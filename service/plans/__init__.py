"""Asynchronous plans, and the store that keeps them."""
