"""Files that `python -m service plan` reads, one of each kind, of the same requests."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.service.bodies import columns, rows

COUNT = 12
CSV = "\n".join(
    [
        "id,input_tokens,output_tokens,llms,deadline_seconds",
        *(
            f"{row['id']},{row['input_tokens']},{row['output_tokens']},"
            f"{'llama-3.1-8b-instruct;qwen3-30b-a3b-instruct-2507' if i % 2 else ''},900.5"
            for i, row in enumerate(rows(COUNT))
        ),
    ]
)


def batch_line(index: int, **body: Any) -> str:
    content = [{"type": "text", "text": "x" * 40}, {"type": "image_url", "image_url": {"url": "u"}}]
    messages = [{"role": "user", "content": content if index else "y" * 42}]
    line = {
        "custom_id": f"c{index}",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "Qwen/Qwen3-30B-A3B-Instruct-2507", "messages": messages, **body},
    }
    return json.dumps(line)


def write_json(path: Path) -> None:
    path.write_text(json.dumps({"requests": rows(COUNT)}))


def write_csv(path: Path) -> None:
    path.write_text(CSV)


def write_parquet(path: Path) -> None:
    llms = pa.array([["llama-3.1-8b-instruct"], None] * (COUNT // 2))
    table = pa.table(columns(COUNT)).append_column("llms", llms)
    pq.write_table(table.append_column("__index_level_0__", pa.array(range(COUNT))), path)


def write_openai_batch(path: Path) -> None:
    path.write_text("\n".join(batch_line(i, max_tokens=100 + i) for i in range(COUNT)) + "\n\n")


FILES = [
    ("batch.json", write_json),
    ("batch.csv", write_csv),
    ("batch.parquet", write_parquet),
    ("batch.jsonl", write_openai_batch),
]
