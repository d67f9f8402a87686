"""The network: a Llama-family decoder whose attention layers carry a compressive memory."""
