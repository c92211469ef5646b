"""Tokenizers of a few lines of text."""

from __future__ import annotations

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

LINES = ["the sky is blue", "why is the sea blue", "because the light is scattered"]
UNKNOWN = "[UNK]"


def word_tokenizer() -> Tokenizer:
    """Return a tokenizer of whole words."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(LINES, trainers.WordLevelTrainer(special_tokens=[UNKNOWN]))
    return tokenizer


def byte_pair_tokenizer() -> Tokenizer:
    """Return a byte-pair tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(LINES, trainers.BpeTrainer(initial_alphabet=alphabet))
    return tokenizer
