"""What the service reads and writes, as pydantic models."""
