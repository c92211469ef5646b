"""Example requests and a demonstration of a plan."""
