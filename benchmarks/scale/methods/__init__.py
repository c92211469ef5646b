"""The methods that are compared, one module each."""
