"""What limits cost: prices of the relaxation, and what a request would have taken elsewhere."""
