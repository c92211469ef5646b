"""A small LLM with random weights, as a GGUF file: it costs what one of its size costs."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

VOCABULARY = 4096
WIDTH = 256
LAYERS = 6
HEADS = 4
FEED_FORWARD = 768
CONTEXT = 4096
_SPECIAL = (b"<unk>", b"<s>", b"</s>")
_BYTES = tuple(b"<0x%02X>" % value for value in range(256))


def write_random_llm(path: Path, seed: int = 0) -> None:
    """Write the file: Llama's architecture, 6 layers of width 256, about 7 million weights.

    Parameters
    ----------
    path
        Of the file.
    seed
        Of the weights.
    """
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(VOCABULARY)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    _add_tokens(writer)
    _add_weights(writer, np.random.default_rng(seed))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokens(writer: gguf.GGUFWriter) -> None:
    count = VOCABULARY - len(_SPECIAL) - len(_BYTES)
    words = [f"\u2581w{number}".encode() for number in range(count)]
    writer.add_tokenizer_model("llama")
    writer.add_token_list([*_SPECIAL, *_BYTES, *words])
    writer.add_token_scores([0.0] * (VOCABULARY - count) + [-float(n) for n in range(count)])
    unknown, control, byte, normal = 2, 3, 6, 1
    writer.add_token_types([unknown, control, control] + [byte] * len(_BYTES) + [normal] * count)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def _add_weights(writer: gguf.GGUFWriter, random: np.random.Generator) -> None:
    def add(name: str, *shape: int) -> None:
        ones = len(shape) == 1
        values = np.ones(shape) if ones else random.normal(0.0, 0.02, shape)
        writer.add_tensor(f"{name}.weight", values.astype(np.float32))

    add("token_embd", VOCABULARY, WIDTH)
    add("output_norm", WIDTH)
    add("output", VOCABULARY, WIDTH)
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        add(f"{block}.attn_norm", WIDTH)
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"{block}.{part}", WIDTH, WIDTH)
        add(f"{block}.ffn_norm", WIDTH)
        add(f"{block}.ffn_gate", FEED_FORWARD, WIDTH)
        add(f"{block}.ffn_up", FEED_FORWARD, WIDTH)
        add(f"{block}.ffn_down", WIDTH, FEED_FORWARD)
