"""Shards are what `vllm run-batch` reads: checked by its rules, as its source states them.

vLLM itself is not installed here. Its runner opens the file as UTF-8 text, takes each line that is
not blank as one JSON object with `custom_id`, `method`, `url` and `body`, serves
`/v1/chat/completions` (of the endpoints that jouleplan reads), and refuses a `model` that is not
one of its served names.
"""

import json
from pathlib import Path

import pytest

from tests.service.batch_file_calls import JSONL, NAMES, text_line
from tests.service.server import Server

LLAMA = next(iter(NAMES))
SERVED = {LLAMA: "llama-of-ours"}


def check_line(text: str, served: str) -> str:
    """Check a line as the runner does; return its custom_id."""
    line = json.loads(text)
    assert {"custom_id", "method", "url", "body"} <= set(line)
    assert all(isinstance(line[key], str) for key in ("custom_id", "method", "url"))
    assert line["method"] == "POST"
    assert line["url"] == "/v1/chat/completions"
    body = line["body"]
    assert body["model"] == served
    assert isinstance(body["messages"], list)
    assert body["messages"]
    assert all({"role", "content"} <= set(message) for message in body["messages"])
    return str(line["custom_id"])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_shard_can_be_given_to_the_runner(
    server: Server, tmp_path: Path, start: str, end: str
) -> None:
    models = [*NAMES.values(), *NAMES, None]
    lines = [text_line(i, models[i % len(models)], 10 + i) for i in range(20)]
    query = "/plan?relative_gap=1&" + "&".join(
        f"served_name={llm}:{SERVED.get(llm, NAMES[llm])}" for llm in NAMES
    )
    response = server.client.post(query, content=start + end.join(lines), headers=JSONL)
    assert response.status_code == 200, response.text
    seen = []
    for shard in response.json()["shards"]:
        path = tmp_path / shard["filename"]
        path.write_bytes(server.client.get(shard["url"]).content)
        (served,) = shard["served_names"]
        assert served == SERVED.get(shard["llm"], NAMES[shard["llm"]])
        with path.open(encoding="utf-8") as file:
            seen += [check_line(line, served) for line in file if line.strip()]
    assert sorted(seen) == sorted(f"c{i}" for i in range(20))
