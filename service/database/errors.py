"""What goes wrong with a store.

::

    StoreError        the store cannot be used; the message says why
    └── NoPlaceError  there is no file, and none can be made at its path: a process without a home
"""

from __future__ import annotations


class StoreError(Exception):
    """Raised where the store cannot be used."""


class NoPlaceError(StoreError):
    """Raised where there is no file, and none can be made by this process at its path."""
