"""The network: embeddings, attention, MLP, sidecar, and `gpt.GPT` that puts them together."""
