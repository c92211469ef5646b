"""Why there is no plan: the limits, how far each must move, and which conflict."""
