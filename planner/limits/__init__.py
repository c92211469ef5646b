"""The limits of a plan: how far each can go, as a target of the relaxation."""
