"""Podman with a storage of its own, so that tests leave a machine's other containers alone.

Everything lives under one folder: configuration, images and containers. Networks are not
created; containers share the host's, which is what a machine without kernel modules can do.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from resource import RLIM_INFINITY, RLIMIT_NOFILE, RLIMIT_NPROC, getrlimit
from typing import Any

STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{state}/images"
runroot = "{state}/running"
"""

ENGINE = """\
[containers]
netns = "host"
log_driver = "k8s-file"
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""

REGISTRIES = """\
unqualified-search-registries = ["docker.io"]
short-name-mode = "permissive"
"""


def _hard_limit(resource: int) -> int:
    """A limit that a process here may set: podman's own default can be above it."""
    hard = getrlimit(resource)[1]
    return 32768 if hard == RLIM_INFINITY else min(hard, 32768)


@dataclass(frozen=True)
class Container:
    """A running container, by its id."""

    podman: Podman
    identifier: str

    def inspect(self) -> dict[str, Any]:
        """Podman's own description of the container."""
        return dict(json.loads(self.podman("inspect", self.identifier))[0])

    def execute(self, *command: str) -> str:
        """Run a command inside the container and return what it prints."""
        return self.podman("exec", self.identifier, *command)

    def logs(self) -> str:
        """Both streams of the container's main process."""
        finished = self.podman.start("logs", self.identifier)
        return finished.stdout + finished.stderr

    def await_healthy(self, timeout_s: float = 60.0) -> float:
        """Run the image's own HEALTHCHECK until it passes; return the seconds it took."""
        begin = time.perf_counter()
        while self.podman.start("healthcheck", "run", self.identifier).returncode != 0:
            if time.perf_counter() - begin > timeout_s:
                raise TimeoutError(f"Expected a healthy container, got:\n{self.logs()}")
            time.sleep(1.0)
        return time.perf_counter() - begin


@dataclass(frozen=True)
class Podman:
    """The podman command on the storage under `state`."""

    state: Path

    @classmethod
    def prepare(cls, state: Path) -> Podman:
        """Create the folder, private to this user, and write the configuration into it."""
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        if state.is_symlink() or state.stat().st_uid != os.getuid():
            raise PermissionError(f"Expected a folder of our own at {state}")
        (state / "storage.conf").write_text(STORAGE.format(state=state))
        limits = {"files": _hard_limit(RLIMIT_NOFILE), "processes": _hard_limit(RLIMIT_NPROC)}
        (state / "containers.conf").write_text(ENGINE.format(**limits))
        (state / "registries.conf").write_text(REGISTRIES)
        return cls(state)

    @property
    def environment(self) -> dict[str, str]:
        """The process environment that points podman and podman-compose at this storage."""
        return {
            **os.environ,
            "CONTAINERS_STORAGE_CONF": str(self.state / "storage.conf"),
            "CONTAINERS_CONF": str(self.state / "containers.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.state / "registries.conf"),
        }

    def start(
        self, *arguments: str, timeout_s: float = 900.0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run podman to its end, whatever its exit status."""
        return subprocess.run(
            ["podman", *arguments],
            env=self.environment,
            cwd=cwd,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
        )

    def __call__(self, *arguments: str, timeout_s: float = 900.0) -> str:
        """Run podman and return its stdout; a failure raises with all that it printed."""
        finished = self.start(*arguments, timeout_s=timeout_s)
        if finished.returncode != 0:
            shown = f"podman {' '.join(arguments)}\n{finished.stdout}{finished.stderr}"
            raise RuntimeError(f"Expected exit 0, got {finished.returncode}: {shown}")
        return finished.stdout

    def has_image(self, name: str) -> bool:
        """Whether an image of this name is in the storage."""
        return self.start("image", "exists", name).returncode == 0

    def build(self, context: Path, target: str) -> str:
        """Build one target of the Dockerfile in `context` and return the image's name.

        The docker format is asked for because the OCI format has no HEALTHCHECK.
        """
        name = f"localhost/jouleplan-{target}:test"
        options = ("--format", "docker", "--network", "host", "--target", target, "--tag", name)
        self("build", *options, str(context))
        return name

    @contextmanager
    def running(
        self,
        image: str,
        *,
        environment: Mapping[str, str],
        volumes: Mapping[Path, str] | None = None,
        command: Sequence[str] = (),
    ) -> Iterator[Container]:
        """Run a container in the background and remove it afterwards."""
        options = [f"--env={name}={value}" for name, value in environment.items()]
        options += [f"--volume={host}:{inside}" for host, inside in (volumes or {}).items()]
        started = self("run", "--detach", "--network", "host", *options, image, *command)
        container = Container(self, started.strip())
        try:
            yield container
        finally:
            self("rm", "--force", "--time", "5", container.identifier)
