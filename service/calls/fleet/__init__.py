"""The fleet: its file, its placements, what of it is embedded, and which may be mixed."""
