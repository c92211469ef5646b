"""Energy meters: each turns two marks in time into the joules between them."""
