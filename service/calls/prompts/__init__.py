"""Which text of a request's body the LLM's server will read, and what of it cannot be counted.

One rule for bodies of Chat Completions, Completions, Responses, embeddings and Anthropic Messages,
whichever way they come. Each piece counts once, by where it stands:

- the members of `MEMBERS`: messages, prompts, instructions, a system prompt, documents for the chat
  template. Inside them, messages, parts and items are read by `TEXTS` (text, or parts of it) and
  `JSON_TEXTS` (arguments and inputs of calls, which templates write as JSON);
- tools and functions, and the schema of a structured answer, as their JSON text. Servers that hold
  the schema in the grammar alone read it too, and hosted ones count it. The members that constrain
  decoding by other names (``guided_json``, ``structured_outputs``) never reach the prompt and count
  nothing, nor do roles, ids and types: what the chat template writes about them is a few tokens;
- of several names that servers give one reasoning, the first counts; members of `EXTRA` count as if
  they stood in the body, where OpenAI's client and gateways put them;
- members that are unknown here and hold more than a setting (`contents`, `inputs`, a text in
  ``chat_template_kwargs``) are noted, since another API's server may read them;
- images, audio, video, files and whatever the server looks up by an id have no text here. They are
  noted by kind, and their bytes never count.
"""
