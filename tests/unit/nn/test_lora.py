"""LoRA: an untrained update changes nothing, a trained one can be merged, and only it is trained."""

import dataclasses

import pytest
import torch

from infini_cli.nn.config import MemoryConfig
from infini_cli.nn.lora import LoRAConfig, LoRALinear, adapted_modules, inject, merge
from infini_cli.nn.memory import emptied, empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.nn.window import Window
from tests.unit.nn.networks import FORMS, random_network, random_tokens

CONFIG = LoRAConfig(rank=3, alpha=6.0, targets=("attn.q", "attn.o", "mlp.down"))
MEMORY: MemoryConfig = FORMS["mapped-gated"]


def logits(model: InfiniTransformer) -> torch.Tensor:
    return model(random_tokens(2, 3, 8), empty_state(model.config, 2))[0]


def trained(model: InfiniTransformer) -> InfiniTransformer:
    torch.manual_seed(5)
    with torch.no_grad():
        for _, module in adapted_modules(model):
            module.lora_b.normal_(0, 0.1)
    return model


def test_untrained_update_changes_nothing() -> None:
    model = random_network(MEMORY)
    before = logits(model)

    names = inject(model, CONFIG)

    assert len(names) == 3 * model.config.n_layers
    assert "layers.0.attn.q" in names
    assert torch.equal(logits(model), before)


def test_only_the_named_layers_are_adapted() -> None:
    names = inject(random_network(MEMORY), LoRAConfig(rank=2, alpha=2.0, targets=("attn.q",), layers=(0, 2)))

    assert names == ["layers.0.attn.q", "layers.2.attn.q"]


def test_forward_is_the_weight_plus_the_scaled_product() -> None:
    linear = torch.nn.Linear(5, 4)
    adapted = LoRALinear(linear, rank=2, alpha=6.0)
    torch.nn.init.normal_(adapted.lora_b)
    x = torch.randn(3, 5)

    update = 6.0 / 2 * adapted.lora_b @ adapted.lora_a

    torch.testing.assert_close(adapted(x), x @ (linear.weight + update).T + linear.bias)


def test_merging_keeps_the_function_and_the_names() -> None:
    model = random_network(MEMORY)
    names = set(model.state_dict())
    inject(model, CONFIG)
    trained(model)
    before = logits(model)
    assert (before - logits(random_network(MEMORY))).abs().max() > 0.01

    merge(model)

    torch.testing.assert_close(logits(model), before, atol=1e-4, rtol=1e-4)
    assert set(model.state_dict()) == names
    assert not list(adapted_modules(model))


def test_merging_leaves_the_weights_it_started_from_alone() -> None:
    model = random_network(MEMORY)
    weight = model.layers[0].attn.q.weight
    before = weight.clone()
    inject(model, CONFIG)
    merge(trained(model))

    assert torch.equal(weight, before)
    assert not torch.equal(model.layers[0].attn.q.weight, before)


def test_only_the_update_is_trained_and_in_float32() -> None:
    model = random_network(None, dtype=torch.bfloat16)
    inject(model, CONFIG)
    logits(trained(model)).square().sum().backward()

    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None}

    assert with_gradient == {name for name, _ in model.named_parameters() if ".lora_" in name} != set()
    assert {p.dtype for n, p in model.named_parameters() if ".lora_" in n} == {torch.float32}
    assert all(p.grad.abs().max() > 0 for n, p in model.named_parameters() if n in with_gradient)


def after_reading(form: str) -> tuple[InfiniTransformer, InfiniTransformer]:
    """A network whose updates act only behind something that was read, and the same network without any."""
    model = random_network(FORMS[form])
    inject(model, dataclasses.replace(CONFIG, after_reading=True))
    return trained(model), random_network(FORMS[form])


@pytest.mark.parametrize("form", ["paper", "words", "written-below"])
def test_before_anything_was_read_the_network_is_its_base(form: str) -> None:
    model, base = after_reading(form)
    tokens, empty = random_tokens(2, 3, 8), empty_state(model.config, 2)
    with torch.inference_mode():
        ours, theirs = model(tokens, empty)[0], base(tokens, empty)[0]

    assert torch.equal(ours[:, 0], theirs[:, 0])
    assert ((ours[:, 1:] - theirs[:, 1:]).abs().amax(dim=(-1, -2)) > 1e-3).all()


@pytest.mark.parametrize("form", ["paper", "words", "written-below"])
def test_segments_one_by_one_are_the_same_as_at_once(form: str) -> None:
    model, _ = after_reading(form)
    tokens = random_tokens(2, 3, 8)
    fresh = torch.tensor([[False, False, True], [False, True, False]])
    with torch.inference_mode():
        at_once, expected = model(tokens, empty_state(model.config, 2), fresh=fresh)
        state, logits_ = empty_state(model.config, 2), []
        for s in range(3):
            each, state = model(tokens[:, s : s + 1], state, fresh=fresh[:, s : s + 1])
            logits_.append(each)

    torch.testing.assert_close(torch.cat(logits_, dim=1), at_once, atol=1e-4, rtol=1e-4)
    for one, other in zip(state, expected, strict=True):
        torch.testing.assert_close(one.matrix, other.matrix, atol=1e-4, rtol=1e-4)


def test_a_new_document_begins_with_the_base() -> None:
    model, base = after_reading("words")
    tokens = random_tokens(2, 2, 8)
    fresh = torch.tensor([[False, True], [False, False]])
    with torch.inference_mode():
        ours = model(tokens, empty_state(model.config, 2), fresh=fresh)[0]
        alone = base(tokens[:, 1:], empty_state(model.config, 2))[0]

    assert torch.equal(ours[0, 1], alone[0, 0])
    assert not torch.allclose(ours[1, 1], alone[1, 0], atol=1e-3)


def window(model: InfiniTransformer) -> Window:
    return Window(model.config, 16, model.dtype, model.device)


def test_an_answer_is_written_by_the_base_unless_something_was_read() -> None:
    model, base = after_reading("words")
    tokens = random_tokens(1, 1, 8)
    with torch.inference_mode():
        read = model.read(random_tokens(1, 2, 8, seed=1), empty_state(model.config))
        written = {
            name: [network.extend(tokens[0], state, window(network)) for network in (model, base)]
            for name, state in (("read", read), ("empty", emptied(read)))
        }
        at_once = model(tokens, read)[0][0, :, -1]

    assert torch.equal(*written["empty"])
    assert not torch.allclose(*written["read"], atol=1e-3)
    torch.testing.assert_close(written["read"][0], at_once, atol=1e-4, rtol=1e-4)


def test_updates_after_reading_are_not_merged() -> None:
    model, _ = after_reading("words")
    before = logits(model)
    merge(model)

    assert torch.equal(logits(model), before)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rank": 0}, "rank is 0"),
        ({"targets": ("attn.x",)}, r"cannot adapt attn\.x; known: attn\.q"),
        ({"targets": ()}, "cannot adapt none"),
    ],
)
def test_impossible_configurations_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LoRAConfig(**{"rank": 1, "alpha": 1.0, "targets": ("attn.q",), **values})
