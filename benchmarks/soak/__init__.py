"""A long run of the service, while everything around it breaks: ``python -m benchmarks.soak``."""
