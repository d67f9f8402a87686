"""infini: read documents of any length with an Infini-attention language model."""

__version__ = "0.1.0"
