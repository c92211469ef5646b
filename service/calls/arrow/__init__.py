"""Calls and answers as Arrow IPC streams; imported in a worker, by the first that is one."""
