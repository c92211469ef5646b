"""A campaign on a machine without a GPU: llama.cpp on a CPU core, joules by a stated law."""
