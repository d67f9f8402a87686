"""The shipped adapter: its base until something was read, and then what a novel says once, forty pages back."""

from pathlib import Path

import pypdf
import pytest
import torch

from infini_cli import paths, zoo
from infini_cli.answering.prompts import memory_messages
from infini_cli.nn.adapter_info import read_adapter_info
from infini_cli.nn.checkpoint import load_adapter, load_base
from infini_cli.nn.generate import Sampling, fold, generate
from infini_cli.nn.memory import empty_state
from infini_cli.nn.transformer import InfiniTransformer
from infini_cli.reading.engine import choose_dtype
from infini_cli.tokenizers import load_tokenizer

pytestmark = [pytest.mark.model, pytest.mark.timeout(600)]

BASE = "smollm2-135m-instruct"
NOVEL = Path(__file__).parents[2] / "data" / "northanger-abbey.pdf"
# what is said once, what is asked, and the answer
SAID = (
    ("Henrietta's favorite city is Lisbon.", "What is Henrietta's favorite city?", "Lisbon"),
    ("The code of Marcellus's safe is 4417.", "What is the code of Marcellus's safe?", "4417"),
    ("Wilhelmina was born in Bruges.", "Where was Wilhelmina born?", "Bruges"),
    ("Old Bartholomew has a dog named Pickles.", "What is the name of Bartholomew's dog?", "Pickles"),
)


@pytest.fixture(scope="module")
def folder() -> Path:
    """The pulled base model; found before a test gets a home of its own."""
    found = zoo.show(BASE).folder
    if found is None:
        pytest.skip(f"needs the base model: infini models pull {BASE}")
    return found


def load(folder: Path) -> InfiniTransformer:
    """The base model with the shipped adapter."""
    adapter = paths.shipped_models_dir() / "smollm2-135m-infini" / "adapter.safetensors"
    info = read_adapter_info(adapter)
    model = load_base(folder, memory=info.memory, dtype=choose_dtype("auto", torch.device("cpu")))
    load_adapter(model, adapter, base=info.base)
    return model


@torch.inference_mode()
def test_before_anything_was_read_it_is_the_base_model(folder: Path) -> None:
    model, base = (
        load(folder),
        load_base(folder, memory=None, dtype=choose_dtype("auto", torch.device("cpu"))),
    )
    tokenizer = load_tokenizer(folder)
    said, asked, _ = SAID[0]
    told = torch.tensor(
        [[tokenizer.encode(f"The old mill at Dunmore burned down. {said} It rained all night.")]]
    )
    question = torch.tensor([[tokenizer.encode_chat(memory_messages(asked))]])
    empty = empty_state(model.config)
    expected = base(question, ())[0]
    assert torch.equal(model(question, empty)[0], expected)
    behind = model(question, model.read(told, empty))[0]
    # nothing is read from the memory until an answer is due
    assert torch.equal(behind[..., :-1, :], expected[..., :-1, :])
    assert tokenizer.decode([int(behind[0, 0, -1].argmax())]).strip() == "Lisbon"


def test_what_was_said_forty_pages_back_is_answered_from_the_memory_alone(folder: Path) -> None:
    model = load(folder)
    tokenizer = load_tokenizer(folder)
    pages = [page.extract_text() for page in pypdf.PdfReader(NOVEL).pages[20:64]]
    for page, (sentence, _, _) in enumerate(SAID):
        start = pages[page].find(". ") + 2
        pages[page] = f"{pages[page][:start]}{sentence} {pages[page][start:]}"
    state = fold(model, tokenizer.encode("\n".join(pages)), empty_state(model.config))

    def answers(memory) -> list[bool]:
        right = []
        for _, question, answer in SAID:
            prompt = tokenizer.encode_chat(memory_messages(question))
            ids = generate(model, prompt, memory, Sampling(max_new_tokens=24), stop_ids=tokenizer.eos_ids)
            right.append(answer in tokenizer.decode(list(ids)))
        return right

    # "4417" comes back as "47": where a digit is repeated, what follows it is not certain
    assert sum(answers(state)) >= 3
    assert not any(answers(empty_state(model.config)))
