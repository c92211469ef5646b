"""Decisions one by one against the plan that knows the whole hour."""
