"""The stand-in for NVML: built by the C compiler, fed through a small file."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "nvml_shim.c"
_MAX_DEVICES = 8
_HEAD, _GPU = struct.Struct("<II"), struct.Struct("<QII")


@dataclass(frozen=True)
class SimulatedGpu:
    """What the library answers of one GPU.

    Attributes
    ----------
    energy_j, watts
        Its counter and its power.
    processes
        Number that compute on it.
    """

    energy_j: float
    watts: float
    processes: int = 1


def shim_environment(folder: Path) -> Mapping[str, str]:
    """Return the variables under which the NVML binding loads the library of a folder."""
    return {"LD_LIBRARY_PATH": str(folder), "JOULEPLAN_SHIM": str(folder / "state")}


class Shim:
    """A folder with the library and the file that it reads.

    Parameters
    ----------
    folder
        Made where absent.
    without_counter
        Build a library that lacks the counter's function, as of an old driver.
    """

    def __init__(self, folder: Path, *, without_counter: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._path = folder / "state"
        options = ["-DWITHOUT_COUNTER"] if without_counter else []
        # In its place in one step: a process may have the one before loaded, and read the state.
        fresh = folder / f".library-{os.getpid()}"
        command = ["cc", "-O1", "-shared", "-fPIC", *options, "-o", str(fresh), str(SOURCE)]
        subprocess.run(command, check=True)
        fresh.replace(folder / "libnvidia-ml.so.1")
        if not self._path.exists():
            self._path.write_bytes(bytes(_HEAD.size + _MAX_DEVICES * _GPU.size))
        with self._path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)

    @property
    def energy_j(self) -> float:
        """Counter of the first GPU, as it stands."""
        return float(_GPU.unpack_from(self._memory, _HEAD.size)[0]) / 1e3

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables under which the NVML binding loads this library."""
        return shim_environment(self._folder)

    def show(self, gpus: Sequence[SimulatedGpu], *, counter: bool = True) -> None:
        """Let the library answer this from now on.

        Parameters
        ----------
        gpus
            Up to eight.
        counter
            Whether the energy counter is supported.
        """
        rows = [_GPU.pack(round(g.energy_j * 1e3), round(g.watts * 1e3), g.processes) for g in gpus]
        body = b"".join(rows)
        # The head last: a reader never sees a GPU that is not written yet.
        self._memory[_HEAD.size : _HEAD.size + len(body)] = body
        self._memory[: _HEAD.size] = _HEAD.pack(len(gpus), int(counter))
