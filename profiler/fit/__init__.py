"""From observations to a fitted, cross-validated cost model."""
