"""What is in prompts and is no text: its kinds, where it stands, and the warnings of it."""

from __future__ import annotations

from collections.abc import Mapping

IMAGES, AUDIO, VIDEOS, FILES = "images", "audio", "videos", "files"
STORED, ENCRYPTED, OTHERS = "stored prompts or items", "encrypted parts", "unknown parts"
UNCOUNTED: Mapping[str, str] = {
    name: kind
    for kind, names in {
        IMAGES: ("image_url", "image", "images", "image_embeds"),
        AUDIO: ("input_audio", "audio_url", "audio"),
        VIDEOS: ("video_url", "video"),
        FILES: ("file", "file_data", "file_id", "file_url", "source", "result"),
        ENCRYPTED: ("data", "encrypted_content"),
    }.items()
    for name in names
}
"""Members of a part that hold what is no text, and its kind where the part's type names none."""
TYPES: Mapping[str, str] = {
    "image": IMAGES,
    "screenshot": IMAGES,
    "audio": AUDIO,
    "video": VIDEOS,
    "file": FILES,
    "document": FILES,
    "container": FILES,
    "reference": STORED,
}
"""Words in the type of a part, and the kind that it then is."""
LOOKED_UP: Mapping[str, str] = {
    "previous_response_id": STORED,
    "conversation": STORED,
    "prompt_embeds": ENCRYPTED,
}
"""Members of a body that add to a prompt what is not in the body."""
NOT_COUNTED = "prompt_parts_not_counted"
"""Code of the warning that parts of prompts were not counted."""
EMPTY = "prompts_empty"
"""Code of the warning that nothing counts as a prompt."""


def describe_uncounted(uncounted: Mapping[str, int]) -> str:
    """Return what was not counted in words.

    Examples
    --------
    >>> describe_uncounted({"images": 2, "files": 1})
    '3 parts of prompts are no text that can be counted (2 images, 1 file) and count nothing.'
    >>> describe_uncounted({"images": 1})
    '1 part of prompts is no text that can be counted (1 image) and counts nothing.'
    """
    one = {kind: " ".join(word.removesuffix("s") for word in kind.split()) for kind in uncounted}
    kinds = ", ".join(f"{n} {one[kind] if n == 1 else kind}" for kind, n in uncounted.items())
    total = sum(uncounted.values())
    if total == 1:
        return f"1 part of prompts is no text that can be counted ({kinds}) and counts nothing."
    return f"{total} parts of prompts are no text that can be counted ({kinds}) and count nothing."
