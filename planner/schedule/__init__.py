"""Schedules: how devices run blocks, what that costs, and how requests are dispatched to them."""
