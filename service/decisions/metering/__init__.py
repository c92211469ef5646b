"""Metered joules of devices, apportioned over the requests that ran there."""
