"""Random calls over HTTP, and a check of each answer's own arithmetic that knows no planner."""
