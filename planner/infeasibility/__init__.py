"""Why no plan keeps the limits, and what would mend that."""
