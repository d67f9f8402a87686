"""The decoder: token ids and a memory state in, logits and the next memory state out.

Layer-major order: inside one layer the segments meet only through the memory, so a layer runs its projections, local
attention and MLP over all segments at once, and only the small memory recurrence walks from segment to segment. This
equals one segment at a time. Shapes: B batch, S segments, T tokens in a segment, d width, V vocabulary.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from infini_cli.nn.attention import Attention, MemoryParameters, Rotations
from infini_cli.nn.config import ModelConfig
from infini_cli.nn.lora import adapted_modules, linear
from infini_cli.nn.memory import LayerMemory, MemoryState, has_read
from infini_cli.nn.rope import inverse_frequencies, rotations
from infini_cli.nn.window import Window
from infini_cli.nn.word_keys import Words


class MLP(nn.Module):
    """The gated feed-forward of Llama: down(silu(gate(x)) * up(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.up = nn.Linear(config.d_model, config.d_ff, bias=False)
        self.down = nn.Linear(config.d_ff, config.d_model, bias=False)

    def forward(self, x: Tensor, behind: Tensor | None = None) -> Tensor:
        opened = F.silu(linear(self.gate, x, behind))
        return linear(self.down, opened * linear(self.up, x, behind), behind)


class Layer(nn.Module):
    """One pre-norm decoder layer, with a memory or without."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        carries_memory = index in config.memory_layers
        self.attn_norm = nn.RMSNorm(config.d_model, config.norm_eps)
        self.attn = Attention(config, carries_memory=carries_memory)
        self.mlp_norm = nn.RMSNorm(config.d_model, config.norm_eps)
        self.mlp = MLP(config)
        self.memory = (
            MemoryParameters(config, config.memory) if carries_memory and config.memory is not None else None
        )

    def forward(
        self,
        x: Tensor,
        words: Words,
        turns: Rotations,
        memory: LayerMemory | None,
        valid: Tensor | None,
        fresh: Tensor | None,
        behind: Tensor | None = None,
    ) -> tuple[Tensor, LayerMemory | None]:
        attended, memory = self.attn(
            self.attn_norm(x), words, turns, self.memory, memory, valid, fresh, behind
        )
        x = x + attended
        return x + self.mlp(self.mlp_norm(x), behind), memory


class InfiniTransformer(nn.Module):
    """A Llama-family decoder with compressive memory in the layers that `config.memory` names."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(config.n_layers))
        self.norm = nn.RMSNorm(config.d_model, config.norm_eps)
        self.head = (
            None if config.tied_embeddings else nn.Linear(config.d_model, config.vocab_size, bias=False)
        )
        self.checkpoint_layers = False  # training: trade a second forward of each layer for its activations

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    def forward(
        self, tokens: Tensor, state: MemoryState, *, valid: Tensor | None = None, fresh: Tensor | None = None
    ) -> tuple[Tensor, MemoryState]:
        """Logits (B, S, T, V) of token ids (B, S, T), and the state after the last segment."""
        hidden, state = self.hidden(tokens, state, valid=valid, fresh=fresh)
        return self.logits(hidden), state

    def hidden(
        self, tokens: Tensor, state: MemoryState, *, valid: Tensor | None = None, fresh: Tensor | None = None
    ) -> tuple[Tensor, MemoryState]:
        """The last layer's normed output (B, S, T, d), for callers that need logits of a few positions only.

        valid, fresh: see Attention.forward.
        """
        turns = self.turns(0, tokens.shape[-1])
        memories = self.by_layer(state)
        after: list[LayerMemory] = []
        words = self.words(tokens)
        x = words.embedded  # (B, S, T, d)
        behind = self.behind(state, fresh, tokens.shape[1])
        for index, (layer, memory) in enumerate(zip(self.layers, memories, strict=True)):
            words = self.seen(index, x, words)
            given = (x, words, turns, memory, valid, fresh, behind)
            if self.checkpoint_layers and torch.is_grad_enabled() and x.requires_grad:
                x, memory = checkpoint(layer, *given, use_reentrant=False)
            else:
                x, memory = layer(*given)
            if memory is not None:
                after.append(memory)
        return self.norm(x), tuple(after)

    def read(
        self, tokens: Tensor, state: MemoryState, *, valid: Tensor | None = None, fresh: Tensor | None = None
    ) -> MemoryState:
        """The state after reading token ids (B, S, T): no logits, and nothing above what the last write needs."""
        if self.config.memory is None or not self.config.memory.layers:
            return state
        turns = self.turns(0, tokens.shape[-1])
        memories = self.by_layer(state)
        after: list[LayerMemory] = []
        words = self.words(tokens)
        x = words.embedded  # (B, S, T, d)
        behind = self.behind(state, fresh, tokens.shape[1])
        for layer, memory in zip(self.layers[: self.config.memory.reading_depth], memories, strict=False):
            x, memory = layer(x, words, turns, memory, valid, fresh, behind=behind)
            if memory is not None:
                after.append(memory)
        return (*after, *self.write(x, words, state[len(after) :], behind, valid=valid, fresh=fresh))

    def write(
        self,
        x: Tensor,
        words: Words,
        state: MemoryState,
        behind: Tensor | None = None,
        *,
        valid: Tensor | None = None,
        fresh: Tensor | None = None,
    ) -> MemoryState:
        """The last memories of a state after a text that was read up to there: x (B, S, T, d), with its words.

        These are all memories where their gates look at one layer below them, and otherwise the topmost alone.
        """
        memory = self.config.memory
        assert memory is not None
        words = self.seen(memory.reading_depth, x, words)
        noted = words.noted
        if noted is None:
            noted = cast(Layer, self.layers[memory.reading_depth]).attn_norm(x)
        after = []
        for index, held in zip(memory.layers[-len(state) :], state, strict=True):
            layer = cast(Layer, self.layers[index])
            assert layer.memory is not None
            after.append(layer.attn.write(noted, words, layer.memory, held, valid, fresh, behind))
        return tuple(after)

    def extend(self, tokens: Tensor, state: MemoryState, window: Window) -> Tensor:
        """Logits (B, V) that follow token ids (B, T), which join the local window; the state is only read.

        Raises ValueError when they do not fit into the window.
        """
        return self.logits(self.norm(self.extend_each(tokens, state, window)[:, -1]))

    def extend_each(self, tokens: Tensor, state: MemoryState, window: Window) -> Tensor:
        """The same for every one of the tokens, as the last layer's output (B, T, d) before the last norm."""
        start, length = window.length, tokens.shape[-1]
        if start + length > window.capacity:
            raise ValueError(f"{start} + {length} tokens do not fit into a window of {window.capacity}")
        turns = self.turns(start, length)
        words = self.words(tokens)
        x = words.embedded  # (B, T, d)
        behind = None if (read := self.behind(state, None, 1)) is None else read[:, 0]  # (B,)
        each = zip(self.layers, self.by_layer(state), window.layers, strict=True)
        for index, (module, memory, held) in enumerate(each):
            layer = cast(Layer, module)
            words = self.seen(index, x, words)
            x = x + layer.attn.extend(layer.attn_norm(x), words, turns, layer.memory, memory, held, behind)
            x = x + layer.mlp(layer.mlp_norm(x), behind)
        return x

    def behind(self, state: MemoryState, fresh: Tensor | None, segments: int) -> Tensor | None:
        """(B, S) bool: whether a row has read anything before each of its next segments.

        None where no weights depend on it: see LoRAConfig.after_reading. fresh: see Attention.forward.
        """
        if not state or not any(module.after_reading for _, module in adapted_modules(self)):
            return None
        before = has_read(state).unsqueeze(1)  # (B, 1)
        behind = torch.cat((before, before.new_ones(len(before), segments - 1)), dim=1)
        return behind if fresh is None else behind & ~fresh

    def logits(self, hidden: Tensor) -> Tensor:
        """Float32 logits (…, V) of normed hidden states (…, d)."""
        weight = self.embed.weight if self.head is None else self.head.weight
        return F.linear(hidden, weight).float()

    def words(self, tokens: Tensor) -> Words:
        """Token ids (…, T) with their embeddings (…, T, d): what the first layer and word keys begin with."""
        return Words(tokens, self.embed(tokens))

    def seen(self, index: int, x: Tensor, words: Words) -> Words:
        """The words of x (…, T, d), which enters the layer of this index, with what it sees if gates look at that."""
        memory = self.config.memory
        if memory is None or index not in (memory.write_layer, memory.read_layer):
            return words
        hidden = cast(Layer, self.layers[index]).attn_norm(x)
        noted = hidden if index == memory.write_layer else words.noted
        return Words(words.ids, words.embedded, noted, hidden if index == memory.read_layer else words.heeded)

    def memories(self) -> list[MemoryParameters]:
        """The parameters of all memories, in layer order."""
        found = [cast(Layer, layer).memory for layer in self.layers]
        return [memory for memory in found if memory is not None]

    def by_layer(self, state: MemoryState) -> list[LayerMemory | None]:
        """The state spread over all layers, None where a layer carries no memory."""
        held = dict(zip(self.config.memory_layers, state, strict=True))
        return [held.get(i) for i in range(self.config.n_layers)]

    def turns(self, start: int, length: int) -> Rotations:
        """Rotary positions of a segment's or a window's tokens."""
        return rotations(inverse_frequencies(self.config).to(self.device), start, length)
