"""The base image of our Dockerfile, pulled, or put together where no image registry answers.

The stand-in is a minimal Debian bookworm (debootstrap) with a CPython 3.12 of this machine
under /usr/local, which is the layout of the official slim image. It tests the Dockerfile's own
steps, not the exact content of the upstream image.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.integration.podman import Podman

NAME = "docker.io/library/python:3.12-slim"
LIBRARIES = (
    "ca-certificates",
    "libbz2-1.0",
    "libffi8",
    "liblzma5",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "zlib1g",
)
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
LEFT_OUT = ("test", "config-3.12-*", "__pycache__", "*.a", "*.pth", "idlelib", "tkinter")


def ensure_base_image(podman: Podman) -> str:
    """Make `NAME` available in podman's storage; return how: kept, pulled or stand-in."""
    if podman.has_image(NAME):
        return "kept"
    if podman.start("pull", "--quiet", NAME, timeout_s=300).returncode == 0:
        return "pulled"
    with tempfile.TemporaryDirectory(dir=podman.state) as folder:
        root, archive = Path(folder, "root"), Path(folder, "root.tar")
        _bootstrap_debian(root)
        _install_python(_python_prefix(), root)
        _run("tar", "-C", str(root), "--exclude=./dev", "-cf", str(archive), ".")
        # pip brings its own certificates; a machine behind a proxy trusts others as well.
        settings = ("--change", f"ENV PIP_CERT=/{CERTIFICATES}", "--change", "ENV LANG=C.UTF-8")
        podman("import", *settings, "--change", 'CMD ["python3"]', str(archive), NAME)
    return "stand-in"


def _bootstrap_debian(root: Path) -> None:
    include = f"--include={','.join(LIBRARIES)}"
    _run("debootstrap", "--variant=minbase", include, "bookworm", str(root))
    for leftover in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / leftover, ignore_errors=True)
    shutil.copyfile(Path("/", CERTIFICATES), root / CERTIFICATES)


def _python_prefix() -> Path:
    """Prefix of a CPython 3.12 of this machine, else of one that uv downloads."""
    if shutil.which("pyenv"):
        found = subprocess.run(
            ["pyenv", "prefix", "3.12"], check=False, capture_output=True, text=True
        )
        if found.returncode == 0:
            return Path(found.stdout.strip())
    if shutil.which("uv"):
        _run("uv", "python", "install", "3.12")
        command = ["uv", "python", "find", "--managed-python", "3.12"]
        found = subprocess.run(command, check=True, capture_output=True, text=True)
        return Path(found.stdout.strip()).resolve().parents[1]
    raise RuntimeError("Expected an image registry, or a CPython 3.12 from pyenv or uv; got none")


def _install_python(prefix: Path, root: Path) -> None:
    """Copy `bin` and `lib` of an installation under `usr/local` and mend what names the prefix."""
    leave_out = shutil.ignore_patterns(*LEFT_OUT)
    for part in ("bin", "lib"):
        target = root / "usr/local" / part
        shutil.copytree(prefix / part, target, symlinks=True, ignore=leave_out, dirs_exist_ok=True)
    for script in (root / "usr/local/bin").glob("pip*"):
        if not script.is_symlink():
            body = script.read_text().split("\n", 1)[1]
            script.write_text(f"#!/usr/local/bin/python3.12\n{body}")
    _run("chroot", str(root), "ldconfig")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
