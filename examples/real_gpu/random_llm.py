"""A folder that vLLM serves as Llama-3.1-8B's shape: its configuration and a tokenizer of words.

    python random_llm.py FOLDER

Run by vLLM's own interpreter, which has `transformers` and `tokenizers`. There are no weights: vLLM
draws them with ``--load-format dummy``.
"""

import json
import sys
from pathlib import Path

VOCABULARY = 128_256
SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "hidden_act": "silu",
    "torch_dtype": "bfloat16",
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
}


def main() -> None:
    """Write the folder."""
    from tokenizers import Tokenizer  # noqa: PLC0415 (only vLLM's interpreter has it)
    from tokenizers.models import WordLevel  # noqa: PLC0415
    from tokenizers.pre_tokenizers import Whitespace  # noqa: PLC0415

    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(SHAPE, indent=2))
    special = ["<unk>", "<s>", "</s>"]
    words = special + [f"w{number}" for number in range(VOCABULARY - len(special))]
    named = WordLevel({word: number for number, word in enumerate(words)}, unk_token=special[0])
    tokenizer = Tokenizer(named)
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens(special)
    tokenizer.save(str(folder / "tokenizer.json"))
    described = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(described, indent=2))


if __name__ == "__main__":
    main()
