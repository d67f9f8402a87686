"""Conversations through a model's own Jinja template, so that no message can write one of its markers.

The template never sees a message: it is rendered with placeholders, and each message takes its placeholder's
place afterwards, when the markers are already found. White space around a message stays outside the
placeholder, because templates trim it.
"""

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from infini_cli.errors import ModelError

# for models that were never tuned to chat, and so have no template of their own
PLAIN_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] | capitalize }}: {{ m['content'] }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)

# private-use characters: a template has no reason to write them, and they are no white space to be trimmed
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACEHOLDER = re.compile(f"{_OPEN}([0-9]+){_CLOSE}")


class Piece(NamedTuple):
    """A stretch of a rendered conversation."""

    text: str
    trusted: bool  # written by the template, not taken from a message


def render(
    template: str | None,
    messages: Sequence[Mapping[str, str]],
    *,
    variables: Mapping[str, str],
    add_generation_prompt: bool,
) -> list[Piece]:
    """The conversation as the template writes it, in order, with messages and template text kept apart.

    Args:
        template: Jinja source; None renders in a plain form.
        messages: "role" and "content" each.
        variables: what templates may name, such as bos_token.
        add_generation_prompt: let the template open the assistant's answer.

    Raises:
        ModelError: the template is not valid, or refuses the conversation.
        ValueError: a role is not a word.
    """
    import jinja2

    source = PLAIN_TEMPLATE if template is None else template
    if _OPEN in source:
        raise ModelError("the model's chat template uses a reserved private-use character (U+E000)")
    hidden = [_hide(index, message) for index, message in enumerate(messages)]
    # answers are shown as they are written, so models that can reason aloud are asked not to
    given = {**variables, "add_generation_prompt": add_generation_prompt, "enable_thinking": False}
    try:
        compiled = _compiled(source)
        try:
            text = compiled.render(messages=hidden, **given)
        except jinja2.TemplateError:
            if not (len(hidden) > 1 and hidden[0]["role"] == "system"):
                raise
            # some templates know no system role: the instructions then open the first question
            system, first, *rest = hidden
            merged = {**first, "content": system["content"] + "\n\n" + first["content"]}
            text = compiled.render(messages=[merged, *rest], **given)
        return list(_pieces(text, [message["content"].strip() for message in messages]))
    except jinja2.TemplateError as error:
        raise ModelError(f"the model's chat template cannot be used: {error.message or error}") from None
    except Exception as error:
        # a template is foreign code and may fail in any way
        raise ModelError(f"the model's chat template fails: {error}") from None


def _hide(index: int, message: Mapping[str, str]) -> dict[str, str]:
    """A message whose text is a placeholder, with the white space around it left in place."""
    role, content = message["role"], message["content"]
    if not role.isidentifier():
        raise ValueError(f"{role!r} is not a role")
    core = content.strip()
    if not core:
        return {"role": role, "content": content}
    before, after = content[: content.index(core)], content[content.index(core) + len(core) :]
    return {"role": role, "content": f"{before}{_OPEN}{index}{_CLOSE}{after}"}


def _pieces(text: str, contents: Sequence[str]) -> Iterator[Piece]:
    """A rendered text cut at its placeholders, each replaced by its message."""
    # with one group, split gives template text and placeholder numbers in turn
    for place, part in enumerate(_PLACEHOLDER.split(text)):
        trusted = place % 2 == 0
        if part:
            yield Piece(part if trusted else contents[int(part)], trusted)


@lru_cache(maxsize=4)
def _compiled(source: str) -> Any:
    """A template in the environment that chat templates expect; sandboxed, since a template is foreign code."""
    import jinja2.ext
    import jinja2.sandbox

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment.from_string(source)


def _to_json(value: Any, indent: int | None = None) -> str:
    """Jinja's own filter escapes for HTML, which chat templates do not expect."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    """What a template calls when it does not accept a conversation."""
    import jinja2

    raise jinja2.TemplateError(message)
