"""Tokenizer files of LLMs: counts instead of estimates, where the operator has put them there.

::

    TokenizerError    the folder, the library or a file cannot be used; one line says why
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from costmodel.names import check_llm

logger = logging.getLogger("service.decisions.tokenizers")

SUFFIX = ".json"
MOST_CHARACTERS = 16_384
"""A longer text is counted so far, and the rest by the same tokens per character: what one
decision may take of the event loop."""


class TokenizerError(Exception):
    """Tokenizer files cannot be used; the message is one line."""


class Tokenizers:
    """Files ``<llm>.json`` of Hugging Face's `tokenizers` in a folder.

    Parameters
    ----------
    folder
        None for none.

    Raises
    ------
    TokenizerError
        Where the folder, the library or a file cannot be used.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._known: dict[str, Any] = {}
        if folder is None:
            return
        if not folder.is_dir():
            raise TokenizerError(f"Expected a folder of tokenizer files, got {folder}.")
        try:
            from tokenizers import Tokenizer  # noqa: PLC0415  an optional extra
        except ImportError:
            message = "Expected the extra `tokenizers` to be installed to use tokenizer files."
            raise TokenizerError(message) from None
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                tokenizer = Tokenizer.from_file(str(path))
                # Files of the Hub often state how to cut and fill up a batch for training.
                tokenizer.no_truncation()
                tokenizer.no_padding()
                self._known[check_llm(path.stem)] = tokenizer
            except Exception as error:  # the library raises bare exceptions
                told = " ".join(str(error).split())
                message = f"Expected a tokenizer in {path.name}, got: {told:.200}"
                raise TokenizerError(message) from None
        logger.info("Tokenizers are loaded.", extra={"llms": sorted(self._known)})

    def __contains__(self, llm: object) -> bool:
        """Say whether an LLM's tokenizer is known."""
        return llm in self._known

    def count(self, llm: str, text: str) -> float | None:
        """Return the tokens of a text, None where it has none."""
        if not text:
            return None
        part = text[:MOST_CHARACTERS]
        counted = len(self._known[llm].encode(part, add_special_tokens=True).ids)
        return max(1.0, counted * len(text) / len(part))
