"""The limits of a plan: what sets and measures each, and how tight the relaxation lets it be."""
