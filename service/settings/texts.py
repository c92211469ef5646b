"""Texts that settings are made of, checked with words that say what was expected."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from service.wording import shown_value

MAX_HOST = 253
"""Characters of a name that the domain name system has."""
KIBIBYTE = 1024
MEBIBYTE = 1024 * KIBIBYTE
MAX_BYTES = 2**48
"""256 TiB: more memory than any one machine has, and less than systems can count."""

_HOST = re.compile(r"[\w.:%-]+", re.ASCII)
_HOSTS = re.compile(r"\*|(\*\.)?[\w.:%\[\]-]+", re.ASCII)


def _host(text: str) -> str:
    if len(text) > MAX_HOST or not _HOST.fullmatch(text):
        raise ValueError(f"Expected the name of a host or an IP address, got {shown_value(text)}.")
    return text


def _hosts(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if len(name) > MAX_HOST or not _HOSTS.fullmatch(name):
            raise ValueError(f"Expected names of hosts, joined by commas, got {shown_value(name)}.")
    return names


def _parts(text: object) -> object:
    """Return the parts of a text that commas join; anything else as it is."""
    return tuple(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise ValueError(
            f"Expected an address such as http://prometheus:9090, got {shown_value(text)}."
        )
    return text


Host = Annotated[str, AfterValidator(_host)]
"""Address to listen on."""
Hosts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts), AfterValidator(_hosts)]
"""Whom to answer for, joined by commas."""
Url = Annotated[str, AfterValidator(_url)]
"""Whom to ask by HTTP."""
