"""Fixtures of the contract tests: those of the service's."""

from tests.service.conftest import anyio_backend, models_dir, planner_service, server

__all__ = ["anyio_backend", "models_dir", "planner_service", "server"]
