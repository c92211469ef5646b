"""Lower bounds over the full data: the relaxation, its prices, and what they prove."""
