"""Infini-attention written out in float64, one segment, one head and one token at a time: the tested truth.

Slow on purpose. It follows arXiv 2404.07143, section 2.1, with the learned maps and the write gate of nn/README.md, and
shares no code with the fast path but the parameter names and the table of rotary frequencies.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from infini_cli.nn.config import MemoryConfig, ModelConfig
from infini_cli.nn.rope import inverse_frequencies

Memory = dict[tuple[int, int], tuple[Tensor, Tensor]]  # (layer, key/value head) to M (F, D) and z (F,)
Read = list[
    tuple[int, Tensor, Tensor]
]  # tokens of the segments before, their embeddings, and what gates saw of them


def logits(
    weights: Mapping[str, Tensor], config: ModelConfig, segments: Sequence[Sequence[int]]
) -> tuple[list[Tensor], Memory]:
    """Logits (T, V) of each segment of one document read from an empty memory, and the memory at its end."""
    w = {name: tensor.detach().double() for name, tensor in weights.items()}
    memory: Memory = {}
    read: Read = []
    out = []
    for tokens in segments:
        x = embedded = w["embed.weight"][list(tokens)]  # (T, d)
        write_layer = None if config.memory is None else config.memory.write_layer
        read_layer = None if config.memory is None else config.memory.read_layer
        noted = heeded = x
        for i in range(config.n_layers):
            h = norm(x, w[f"layers.{i}.attn_norm.weight"], config)
            if write_layer in (None, i):
                noted = h
            if read_layer in (None, i):
                heeded = h
            x = x + attention(
                w,
                f"layers.{i}.",
                config,
                i,
                h,
                noted,
                heeded,
                embedded,
                tokens,
                memory,
                read,
            )
            h = norm(x, w[f"layers.{i}.mlp_norm.weight"], config)
            gate, up = h @ w[f"layers.{i}.mlp.gate.weight"].T, h @ w[f"layers.{i}.mlp.up.weight"].T
            x = x + (gate * torch.sigmoid(gate) * up) @ w[f"layers.{i}.mlp.down.weight"].T
        read += zip(tokens, embedded, noted, strict=True)
        head = w["embed.weight"] if config.tied_embeddings else w["head.weight"]
        out.append(norm(x, w["norm.weight"], config) @ head.T)
    return out, memory


def attention(
    w: Mapping[str, Tensor],
    name: str,
    config: ModelConfig,
    layer: int,
    h: Tensor,
    noted: Tensor,
    heeded: Tensor,
    embedded: Tensor,
    tokens: Sequence[int],
    memory: Memory,
    read: Read,
) -> Tensor:
    """One layer's attention over one segment h (T, d); reads `memory`, then writes this segment into it.

    noted, heeded (T, d): what the gates of writes and of reads look at; embedded (T, d): the segment's tokens before
    the first layer.
    """
    length, dim, shared = len(h), config.head_dim, config.n_heads // config.n_kv_heads
    form = config.memory if config.memory is not None and layer in config.memory.layers else None
    out = torch.zeros(length, config.n_heads * dim, dtype=torch.float64)
    writes = {}
    for g in range(config.n_kv_heads):
        k = head_of(w, name + "attn.k", h, g, dim, config, name + "attn.k_norm.weight")
        v = head_of(w, name + "attn.v", h, g, dim, config, None)
        for n in range(g * shared, (g + 1) * shared):
            q = head_of(w, name + "attn.q", h, n, dim, config, name + "attn.q_norm.weight")
            asked = q
            if form is not None and form.word_keys:
                asked = word_queries(w, name + "memory.words.", embedded, noted, tokens, g, form)
            for t in range(length):
                first = 0 if config.sliding_window is None else max(0, t - config.sliding_window + 1)
                scores = torch.stack(
                    [
                        turn(q[t], t, config) @ turn(k[u], u, config) / math.sqrt(dim)
                        for u in range(first, t + 1)
                    ]
                )
                attended = scores.softmax(dim=0) @ v[first : t + 1]
                matrix, z = memory.get((layer, g), (None, None))
                if form is not None and matrix is not None and z is not None and z.any():
                    asking = ("words.", g) if form.word_keys else ("query_", n)
                    phi_q = phi(asked[t], form, w, name + "memory." + asking[0], asking[1])
                    recalled = (phi_q @ matrix) / (phi_q @ z + form.eps)  # equation 7
                    beta = w[name + "memory.beta"][n]
                    if form.read_gate:
                        beta = beta + w[name + "memory.read.weight"][n] @ heeded[t]
                    share = torch.sigmoid(beta)
                    if share < form.read_threshold or (
                        form.read_in_turn and g % 3 == 0 and not begun(w, name, heeded[: t + 1], config)
                    ):
                        share = torch.zeros_like(share)
                    attended = share * recalled + (1 - share) * attended  # equation 10
                out[t, n * dim : (n + 1) * dim] = attended
        if form is not None:
            if form.word_keys:
                k = word_keys(w, name + "memory.words.", embedded, noted, tokens, g, form, read)
            if form.word_values:
                kept = embedded
                if form.write_ends:
                    ends = name + "memory.ends."
                    over = [write_strength(w, ends + "gate.", noted, 0, t, form) for t in range(length)]
                    kept = torch.stack(
                        [(1 - s) * e + s * w[ends + "token"] for s, e in zip(over, embedded, strict=True)]
                    )
                v = projected(w, name + "memory.word_values", kept, g, dim)
                v = v + w[name + "memory.word_values.bias"][g * dim : (g + 1) * dim]
            writes[g] = (k, v)
    for g, (k, v) in writes.items():
        assert form is not None
        features = form.feature_dim(dim)
        empty = torch.zeros(features, dim, dtype=torch.float64), torch.zeros(features, dtype=torch.float64)
        matrix, z = memory.get((layer, g), empty)
        added_matrix, added_z = torch.zeros_like(matrix), torch.zeros_like(z)
        for t in range(length):
            label = t - form.key_shift if t >= form.key_shift and not form.word_keys else t
            phi_k = phi(k[label], form, w, name + "memory." + ("words." if form.word_keys else "key_"), g)
            value = v[t]
            if form.update == "delta":
                value = value - (phi_k @ matrix) / (
                    phi_k @ z + form.eps
                )  # equation 9, against the old memory
            if form.write_gate:
                strength = write_strength(w, name + "memory.write.", noted, g, t, form)
                phi_k = phi_k * (0.0 if strength < form.write_threshold else strength)
            added_matrix += torch.outer(phi_k, value)
            added_z += phi_k
        memory[layer, g] = (matrix + added_matrix, z + added_z)
    return out @ w[name + "attn.o.weight"].T


def begun(w: Mapping[str, Tensor], name: str, heeded: Tensor, config: ModelConfig) -> bool:
    """Whether a head that does not mind the order of words reads at any of these tokens of a segment (T, d)."""
    form = config.memory
    assert form is not None
    shared = config.n_heads // config.n_kv_heads
    leading = [n for n in range(config.n_heads) if (n // shared) % 3]
    logits = heeded @ w[name + "memory.read.weight"][leading].T + w[name + "memory.beta"][leading]
    return bool((torch.sigmoid(logits) >= form.read_threshold).any())


def write_strength(
    w: Mapping[str, Tensor], name: str, h: Tensor, head: int, t: int, form: MemoryConfig
) -> Tensor:
    """How much of token t of a segment h (T, d) is written."""
    logit = w[name + "weight"][head] @ h[t] + w[name + "bias"][head]
    if form.write_hidden:
        decay = torch.sigmoid(w[name + "around.decay"])
        behind = torch.zeros(form.write_hidden, dtype=torch.float64)
        for u in range(t + 1, len(h)):
            behind += decay ** (u - t - 1) * (w[name + "around.behind.weight"] @ h[u])
        here = w[name + "around.here.weight"] @ h[t] + w[name + "around.here.bias"]
        units = torch.cat((here, behind)).relu()
        units = (w[name + "around.both.weight"] @ units + w[name + "around.both.bias"]).relu()
        logit = logit + w[name + "around.out.weight"][head] @ units
    return torch.sigmoid(logit)


def word_queries(
    w: Mapping[str, Tensor],
    name: str,
    embedded: Tensor,
    noted: Tensor,
    tokens: Sequence[int],
    head: int,
    form: MemoryConfig,
) -> Tensor:
    """One head's queries (T, D) of what each token and those before it are."""
    passing = torch.sigmoid(w[name + "passing"])
    parts = []
    for part in range(form.word_parts):
        n = sum_of(w, name, head, part, form)
        decay = torch.sigmoid(w[name + "query_decay"][n])
        words = words_of(w, name, embedded, noted, tokens, n, form)
        total, sums = torch.zeros_like(words[0]), []
        for token, e in zip(tokens, words, strict=True):
            total = e + decay * passing[token] * turn_words(total, head, part, 1, form)
            sums.append(total)
        parts.append(sums)
    return joined(w, name, head, parts, noted, form)


def word_keys(
    w: Mapping[str, Tensor],
    name: str,
    embedded: Tensor,
    noted: Tensor,
    tokens: Sequence[int],
    head: int,
    form: MemoryConfig,
    read: Read,
) -> Tensor:
    """One head's keys (T, D): all words read up to `shift` before each token, and those of its segment behind it."""
    passing, shift = torch.sigmoid(w[name + "passing"]), form.key_shift
    earlier = len(read)
    ids = [token for token, _, _ in read] + list(tokens)
    table = torch.stack([*(e for _, e, _ in read), *embedded])
    seen = torch.stack([*(h for _, _, h in read), *noted])
    parts = []
    for part in range(form.word_parts):
        n = sum_of(w, name, head, part, form)
        decay, after = (torch.sigmoid(w[name + each][n]) for each in ("key_decay", "after_decay"))
        words = words_of(w, name, table, seen, ids, n, form)
        sums = []
        for t in range(earlier, len(words)):
            total = torch.zeros_like(words[0])
            # a segment's first tokens have at least all that came before it
            last = max(t - shift, earlier - 1)
            faded = torch.tensor(1.0, dtype=torch.float64)
            for u in range(last, -1, -1):
                total += faded * turn_words(words[u], head, part, last - u, form)
                faded = faded * decay * passing[ids[u]]
            faded = w[name + "after_share"][n].clone()
            for u in range(t + 1, len(words)):
                total += faded * turn_words(words[u], head, part, t - shift - u, form)
                faded = faded * after * passing[ids[u]]
            sums.append(total)
        parts.append(sums)
    labels = [torch.zeros_like(h) for h in noted[:shift]] + list(noted[: max(0, len(noted) - shift)])
    return joined(w, name, head, parts, labels, form)


def sum_of(w: Mapping[str, Tensor], name: str, head: int, part: int, form: MemoryConfig) -> int:
    """The number of the sum that a part of a head's keys is made of.

    Every third head has one sum less, and for its last part the last of the head two behind it, or next to it at the
    end.
    """
    heads, parts = len(w[name + "map"]), form.word_parts
    if head % 3 == 0 and parts > 1 and part == parts - 1:
        head = min(head + 2, heads - 1) if head < heads - 1 else head - 1
    return sum(parts - (each % 3 == 0 and parts > 1) for each in range(head)) + part


def joined(
    w: Mapping[str, Tensor],
    name: str,
    head: int,
    parts: Sequence[Sequence[Tensor]],
    noted: Sequence[Tensor] | Tensor,
    form: MemoryConfig,
) -> Tensor:
    """Keys or queries (T, D) of length sqrt(D), of the sums (K,) of each part at each token.

    noted (d,) each: what gates saw of the token with which each sum ends.
    """
    whole = []
    for t, sums in enumerate(zip(*parts, strict=True)):
        shares = torch.full((len(parts),), 1 / len(parts), dtype=torch.float64)
        if form.word_context and len(parts) > 1:
            rows = range(head * len(parts), (head + 1) * len(parts))
            shares = torch.stack([context(w, name + "shares.", noted[t], n) for n in rows]).softmax(dim=0)
        scaled = [share.sqrt() * total / total.norm() for share, total in zip(shares, sums, strict=True)]
        whole.append(torch.cat(scaled))
    return torch.stack(whole) * math.sqrt(len(whole[0]))


def turn_words(x: Tensor, head: int, part: int, steps: int, form: MemoryConfig) -> Tensor:
    """x (K,) turned by its distance, in every third head's own parts; the others do not mind the order."""
    if head % 3 or (form.word_parts > 1 and part == form.word_parts - 1):
        return x
    half = len(x) // 2
    angle = torch.linspace(0, math.pi, half).double() * steps
    first, second = x[:half], x[half:]
    return torch.cat((first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()))


def words_of(
    w: Mapping[str, Tensor],
    name: str,
    embedded: Tensor,
    noted: Tensor,
    tokens: Sequence[int],
    n: int,
    form: MemoryConfig,
) -> list[Tensor]:
    """What each token adds to the n-th sum, (K,) each."""
    size = form.word_keys // form.word_parts
    rows = slice(n * size, (n + 1) * size)
    weight, bias = w[name + "projection.weight"][rows], w[name + "projection.bias"][rows]
    return [
        w[name + "salience"][token, n] * counts(w, name + "context.", h, n, form) * (weight @ e + bias)
        for token, e, h in zip(tokens, embedded, noted, strict=True)
    ]


def counts(w: Mapping[str, Tensor], name: str, h: Tensor, n: int, form: MemoryConfig) -> Tensor:
    """How much a token of which gates see h (d,) counts in the n-th sum, beside its own weight."""
    return torch.sigmoid(context(w, name, h, n)) if form.word_context else torch.ones((), dtype=torch.float64)


def context(w: Mapping[str, Tensor], name: str, h: Tensor, n: int) -> Tensor:
    """The n-th of the logits that what gates see of a token, h (d,), adds."""
    units = (w[name + "here.weight"] @ h + w[name + "here.bias"]).relu()
    return w[name + "plain.weight"][n] @ h + w[name + "plain.bias"][n] + w[name + "out.weight"][n] @ units


def phi(x: Tensor, form: MemoryConfig, w: Mapping[str, Tensor], name: str, head: int) -> Tensor:
    """Features (F,) of an un-rotated query or key x (D,); `name` is that of its map without "map"."""
    if form.feature_map == "hedgehog" and not form.word_keys:
        x = x - w[name + "offset"][head]
    if form.feature_map != "elu":
        x = x @ w[name + "map"][head]
    if form.feature_map == "hedgehog":
        size = len(x) // form.map_groups
        groups = [x[i : i + size] for i in range(0, len(x), size)]
        return torch.cat([torch.cat((each, -each)).softmax(dim=0) / form.map_groups for each in groups])
    if form.feature_map != "dpfp-3":
        return torch.where(x > 0, x + 1, x.exp())  # ELU + 1
    r = torch.cat((x, -x)).clamp(min=0)
    return torch.cat([torch.stack([r[i] * r[i - shift] for i in range(len(r))]) for shift in (1, 2, 3)])


def head_of(
    w: Mapping[str, Tensor],
    name: str,
    h: Tensor,
    head: int,
    dim: int,
    config: ModelConfig,
    norm_name: str | None,
) -> Tensor:
    """One head's queries, keys or values (T, D)."""
    x = projected(w, name, h, head, dim)
    if config.qkv_bias:
        x = x + w[name + ".bias"][head * dim : (head + 1) * dim]
    return norm(x, w[norm_name], config) if config.qk_norm and norm_name is not None else x


def projected(w: Mapping[str, Tensor], name: str, h: Tensor, head: int, dim: int) -> Tensor:
    """h (T, d) times one head's rows of a weight: (T, D)."""
    return h @ w[name + ".weight"][head * dim : (head + 1) * dim].T


def turn(x: Tensor, position: int, config: ModelConfig) -> Tensor:
    """x (D,) at its rotary position within the segment."""
    half = len(x) // 2
    angle = inverse_frequencies(config).double() * position
    first, second = x[:half], x[half:]
    return torch.cat((first * angle.cos() - second * angle.sin(), second * angle.cos() + first * angle.sin()))


def norm(x: Tensor, weight: Tensor, config: ModelConfig) -> Tensor:
    """RMSNorm over the last dimension."""
    return x / torch.sqrt((x * x).mean(dim=-1, keepdim=True) + config.norm_eps) * weight
