"""Observations: trials of one request length on one LLM and device, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from costmodel.arrays import BoolArray, FloatArray, IntArray

TextArray = npt.NDArray[np.str_]


def flags_text(*flags: str) -> str:
    """Return the text of the `flags` column: each word once, in the order of their first mention.

    Parameters
    ----------
    flags
        Words, or texts of them from other rows; empty ones are none.

    Examples
    --------
    >>> flags_text("mixed_lengths", "", "unstable;mixed_lengths")
    'mixed_lengths;unstable'
    """
    return ";".join(dict.fromkeys(filter(None, ";".join(flags).split(";"))))


@dataclass(frozen=True)
class Observations:
    """n trials, one entry of each array a trial (a window of requests of one length).

    Attributes
    ----------
    llm, device
        Shape (n,), names as the catalogue has them.
    num_gpus
        Shape (n,), accelerators of the device, 1 or more.
    concurrency
        Shape (n,), achieved requests in flight, 1 or more.
    kv_cache
        Shape (n,), "on" or "off".
    input_tokens
        Shape (n,), zero or more; NaN where never recorded.
    output_tokens
        Shape (n,), measured (not the limit), 1 or more; a window's mean may be fractional.
    runtime_s
        Shape (n,), mean latency of the window's requests [s], positive.
    energy_gpu_j
        Shape (n,), accelerator joules per request [J], zero or more.
    energy_cpu_j
        Shape (n,), processor joules per request [J]; NaN where not metered.
    warmup
        Shape (n,), the first run after a load.
    source
        Shape (n,), the campaign.
    flags
        Shape (n,), words joined by ";".
    extra
        Further columns as text, shape (n,) each.
    """

    llm: TextArray
    device: TextArray
    num_gpus: IntArray
    concurrency: FloatArray
    kv_cache: TextArray
    input_tokens: FloatArray
    output_tokens: FloatArray
    runtime_s: FloatArray
    energy_gpu_j: FloatArray
    energy_cpu_j: FloatArray
    warmup: BoolArray
    source: TextArray
    flags: TextArray
    extra: Mapping[str, TextArray]

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.llm)

    @property
    def device_seconds(self) -> FloatArray:
        """Seconds that one request takes of the device: runtime over concurrency, shape (n,)."""
        return self.runtime_s / self.concurrency

    def flagged(self, flag: str) -> BoolArray:
        """Say which trials carry a flag.

        Parameters
        ----------
        flag
            One word of the flags column.

        Returns
        -------
        numpy.ndarray
            Shape (n,).
        """
        return np.array([flag in words.split(";") for words in self.flags.tolist()], dtype=np.bool_)

    def take(self, chosen: BoolArray) -> Observations:
        """Keep the chosen trials, in order.

        Parameters
        ----------
        chosen
            Shape (n,).

        Returns
        -------
        Observations
            As many trials as are chosen.
        """
        columns = {name: getattr(self, name)[chosen] for name in COLUMNS}
        return Observations(**columns, extra={k: v[chosen] for k, v in self.extra.items()})

    def pairs(self) -> Iterator[tuple[str, str, Observations]]:
        """Walk over the (LLM, device) pairs in the order of their names.

        Yields
        ------
        tuple
            LLM, device and the trials of that pair.
        """
        for llm, device in sorted(set(zip(self.llm.tolist(), self.device.tolist(), strict=True))):
            yield llm, device, self.take((self.llm == llm) & (self.device == device))

    def only(self, column: str) -> str | None:
        """Return the one text that a further column holds for all trials.

        Parameters
        ----------
        column
            Name of a further column.

        Returns
        -------
        str or None
            None where the column is absent, empty, or differs between trials.
        """
        found = set(self.extra[column].tolist()) if column in self.extra else set()
        return (found.pop() or None) if len(found) == 1 else None


COLUMNS = tuple(field.name for field in fields(Observations) if field.name != "extra")
"""The columns of the schema, in their order in a file."""


def joined(parts: Sequence[Observations]) -> Observations:
    """Put several sets of trials one after the other.

    Parameters
    ----------
    parts
        One table of trials or more; a further column that a part lacks is empty there.

    Returns
    -------
    Observations
        All trials in the order given.
    """
    extra_names = list(dict.fromkeys(name for part in parts for name in part.extra))
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS}
    extra = {
        name: np.concatenate([part.extra.get(name, np.full(len(part), "")) for part in parts])
        for name in extra_names
    }
    return Observations(**columns, extra=extra)
