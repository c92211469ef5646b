"""The members of each API's bodies: which are text, which JSON, and which never reach a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.calls.prompts.uncounted import LOOKED_UP

CHARACTERS_PER_TOKEN = 4.0
"""What OpenAI's help centre gives for English: one token is about four characters."""
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""Members of a body that limit its answer, the newest first."""
COUNTS = ("n", "best_of", "num_return_sequences")
"""Members that say how many answers a body wants, generated at least."""
MEMBERS = ("system", "instructions", "messages", "prompt", "suffix", "input", "documents")
LISTS = ("prompt", "input")
"""Members that may list several prompts."""
JSON_MEMBERS = ("tools", "functions")
SCHEMAS = ("response_format", "output_format", "text", "output_config")
"""Members that may hold the schema of an answer, of themselves or below ``format``."""
TEXTS = frozenset(
    {"content", "text", "refusal", "thinking", "summary", "transcript", "stdout", "stderr"}
    | {"output", "name", "title", "context", "tool_calls", "function_call", "function", "custom"}
    | {"error", "code", "logs", "outputs", "queries", "results", "toolUse", "toolResult"}
)
REASONINGS = ("reasoning_content", "reasoning", "thinking_blocks", "reasoning_details")
"""Members of a message that hold its reasoning; some servers and gateways give it under several."""
JSON_TEXTS = frozenset(("arguments", "input", "action", "operation", "tools", "json"))
EXTRA = "extra_body"
"""Member of a call of OpenAI's client whose members it puts into the body."""
SETTINGS = frozenset(
    {*MEMBERS, *JSON_MEMBERS, *SCHEMAS, *LOOKED_UP, *LIMITS, EXTRA, "model", "stop", "metadata"}
    | {"logit_bias", "prediction", "chat_template", "tool_choice", "structured_outputs", "grammar"}
    | {"guided_json", "guided_grammar", "guided_regex", "guided_choice", "stop_sequences"}
    | {"json_schema", "regex", "ebnf", "vllm_xargs", "kv_transfer_params"}
)
"""Members of a body that are read here, or that never reach a prompt whatever they hold."""
PART_SETTINGS = frozenset(
    {"role", "type", "id", "call_id", "tool_call_id", "tool_use_id", "status", "cache_control"}
    | {"signature", "thought_signature", "annotations", "citations", "logprobs", "metadata"}
    | {"provider_specific_fields", "extra_content", "caller", "filename", "url", "encrypted_index"}
)
"""Members of a message or part that no template writes, whatever they hold."""
MAX_SETTING = 200
"""Characters: what holds a longer text than this is no setting."""


def merged(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a body with the members that its `EXTRA` would put into it.

    Examples
    --------
    >>> merged({"n": 1, "extra_body": {"n": 2, "top_k": 5}})["n"]
    2
    """
    extra = body.get(EXTRA)
    return {**body, **extra} if isinstance(extra, dict) else body
