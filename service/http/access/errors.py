"""What keeps the service from being guarded as its settings say.

::

    AccessError        root: told in one line, and the service does not start
    ├── KeyFileError   the key file cannot be read or written, or does not hold keys
    ├── TlsError       certificate, key or authorities cannot be used
    ├── AddressError   the host, or the address of the operations port, cannot be had
    ├── OpenFilesError the limit on open files leaves room for no connection
    └── MayNotReadError cost models or fleet are not for the user that the service runs as
"""

from __future__ import annotations


class AccessError(Exception):
    """The service cannot be guarded as the settings say; the message is one line."""


class KeyFileError(AccessError):
    """The key file cannot be used; the message names the file and the place in it."""


class TlsError(AccessError):
    """The service cannot speak TLS; the message names the file."""


class AddressError(AccessError):
    """Nobody can listen there."""


class MayNotReadError(AccessError):
    """The system lets this process read no cost models, or no fleet; the message names them."""


class OpenFilesError(AccessError):
    """Not one connection could be had."""
