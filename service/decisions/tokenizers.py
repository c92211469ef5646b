"""Tokenizer files of LLMs: counts instead of estimates, where the operator has put them there.

::

    TokenizerError    the folder, the library or a file cannot be used; one line says why
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from costmodel.errors import NameRefusedError
from costmodel.files import Stamp, read_regular, refusal_of, shown_name, stamp
from costmodel.names import check_llm

logger = logging.getLogger("service.decisions.tokenizers")

SUFFIX = ".json"
MAX_BYTES = 256 * 1024 * 1024
Seen = dict[str, Stamp]
MAX_CHARACTERS = 16_384
"""Longer texts are counted so far, and the rest by the same tokens per character: what one
decision may take of the event loop."""

PROBE = "Why is the sky blue, 42 \u00e9\u4e2d\U0001f600?\x00\n"
"""Any tokenizer can count it: one without a token for what it does not know cannot."""


class TokenizerError(Exception):
    """Tokenizer files cannot be used; the message is one line."""


class Tokenizers:
    """Files ``<llm>.json`` of Hugging Face's `tokenizers` in a folder.

    A file that is named otherwise is left alone with a warning. `loaded_stamp` has the stamps of
    the files when the folder was read.

    Raises
    ------
    TokenizerError
        If the folder, the library or a file cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[str, Any] = {}
        self.loaded_stamp: Seen = {}
        if folder is not None:
            _library()
            self._take(*self._read())

    @property
    def name(self) -> str:
        """Name of the folder in messages."""
        return str(self._folder)

    def stamp(self) -> Seen | None:
        """Return the stamp of each file; None where there is no folder."""
        if self._folder is None:
            return None
        try:
            names = sorted(entry.name for entry in os.scandir(self._folder))
        except OSError:
            return None
        return {name: stamp(self._folder / name) for name in names if name.endswith(SUFFIX)}

    async def reload(self) -> None:
        """Read what has changed, and forget what is gone.

        Raises
        ------
        TokenizerError
            If a file, or the folder, cannot be used: its tokenizers of before stay.
        """
        self._take(*await asyncio.to_thread(self._read))

    def _read(self) -> tuple[Seen, dict[str, Any], list[str]]:
        """Return how the folder looks, the tokenizers in it, and what cannot be used."""
        seen = self.stamp()
        if seen is None or self._folder is None:
            why = None if self._folder is None else refusal_of(self._folder)
            words = f"{self._folder}, which cannot be read: {why}" if why else f"{self._folder}"
            raise TokenizerError(f"Expected a folder of tokenizer files, got {words}.")
        known, wrong = {}, []
        for name, version in seen.items():
            llm = _llm_of(name)
            if llm is None:
                continue
            if llm in self._known and self.loaded_stamp.get(name) == version:
                known[llm] = self._known[llm]
                continue
            try:
                known[llm] = _tokenizer(self._folder / name)
            except TokenizerError as error:
                wrong.append(str(error))
                if llm in self._known:
                    known[llm] = self._known[llm]
        return seen, known, wrong

    def _take(self, seen: Seen, known: dict[str, Any], wrong: list[str]) -> None:
        self.loaded_stamp, self._known = seen, known
        if wrong:
            more = f" ({len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise TokenizerError(wrong[0] + more)
        logger.info("Tokenizers are loaded.", extra={"llms": sorted(known)})

    def __contains__(self, llm: object) -> bool:
        """Say whether an LLM's tokenizer is known."""
        return llm in self._known

    def count(self, llm: str, texts: Iterable[str]) -> tuple[int, int] | None:
        """Return the tokens of texts and their characters, of the first `MAX_CHARACTERS`.

        None where there is no character, or they cannot be counted.
        """
        part: list[str] = []
        left = MAX_CHARACTERS
        for text in texts:
            part.append(text[:left])
            left -= len(part[-1])
            if not left:
                break
        characters = MAX_CHARACTERS - left
        if not characters:
            return None
        try:
            encoded = self._known[llm].encode("\n".join(part), add_special_tokens=True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # as in `_tokenizer`
            logger.warning("The tokenizer of %s cannot count a prompt: %.200s", llm, error)
            return None
        return len(encoded.ids), characters


def _library() -> Any:  # noqa: ANN401  its types are unknown
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415  an optional extra
    except ImportError:
        message = (
            "Expected the extra `tokenizers` for tokenizer files, got none: "
            "pip install 'jouleplan[tokenizers]'."
        )
        raise TokenizerError(message) from None
    return Tokenizer


def _llm_of(name: str) -> str | None:
    try:
        return check_llm(name.removesuffix(SUFFIX))
    except NameRefusedError:
        logger.warning("Expected a file named <llm>.json of a tokenizer, got %s.", shown_name(name))
        return None


def _tokenizer(path: Path) -> Any:  # noqa: ANN401
    try:
        content = read_regular(path, MAX_BYTES)
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        tokenizer = _library().from_buffer(content)
        # Files of the Hub often state how to cut and fill up a batch for training.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode(PROBE)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare ones, and panics beside them
        why = getattr(error, "strerror", None) or " ".join(str(error).split())
        message = f"Expected a tokenizer in {path.name}, got: {why:.200}"
        raise TokenizerError(message) from None
    return tokenizer
