"""Certificates that a test makes."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and of its key."""

    certificate: Path
    key: Path


def self_signed(folder: Path, name: str, *more: str) -> Pair:
    """Make a certificate for 127.0.0.1 that is its own authority."""
    pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    files = ["-keyout", str(pair.key), "-out", str(pair.certificate)]
    subject = ["-subj", f"/CN={name}", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1"]
    encryption = more or ("-nodes",)
    subprocess.run([*command, *files, *subject, *encryption], check=True, capture_output=True)
    return pair
