"""Schedules: how devices run blocks, what that costs, and how requests are dealt to them."""
