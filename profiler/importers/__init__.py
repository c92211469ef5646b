"""Foreign measurement files to observations, one module a format."""
