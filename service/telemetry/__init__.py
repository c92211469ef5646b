"""The service's metrics and logs."""
