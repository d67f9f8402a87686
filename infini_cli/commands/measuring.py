"""What the commands of `infini eval` do: load, measure with progress, show."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infini_cli.commands.options import Session
from infini_cli.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from infini_cli.evals.recall import Progress as RecallProgress
    from infini_cli.evals.recall import RecallTask
    from infini_cli.evals.results import ResultsFile
    from infini_cli.evals.subject import Subject
    from infini_cli.training.corpus import Corpus

Entry = dict[str, Any]  # of one evaluation, see evals.results


@dataclass
class Measuring:
    """One run of `infini eval`.

    Attributes:
        session: of the command.
        adapter: instead of the model's own.
        output: file for the results.
        seed: of everything random.
        batch: documents read together; None for what suits the device.
    """

    session: Session
    adapter: str | None
    output: Path | None
    seed: int
    batch: int | None = None

    def __post_init__(self) -> None:
        check_writable(self.output)

    @cached_property
    def subject(self) -> "Subject":
        """The model under evaluation."""
        with self.session.reporter.progress("Loading the model"):
            from infini_cli.evals.subject import load_subject

            return load_subject(self.session.settings, self.adapter)

    @cached_property
    def corpus(self) -> "Corpus":
        """The texts for the model's tokenizer. Raises DocumentError when they have not been prepared."""
        from infini_cli.training.corpus import open_corpus

        return open_corpus(self.subject.tokenizer)

    @cached_property
    def together(self) -> int:
        """Documents read together."""
        return self.batch or (16 if self.subject.engine.device.startswith("cuda") else 4)

    def file(self, name: str) -> "ResultsFile":
        from infini_cli.evals.results import ResultsFile

        return ResultsFile(self.output, name)

    def recall(
        self,
        task: "RecallTask",
        *,
        lengths: str,
        depths: str,
        samples: int,
        controls: bool,
        baselines: bool,
        needs_corpus: bool = True,
    ) -> Entry:
        """Pass keys, needles or stories."""
        from infini_cli.evals.baselines import BASELINES
        from infini_cli.evals.controls import CONTROLS
        from infini_cli.evals.grid import parse_depths, parse_lengths, whole_segments
        from infini_cli.evals.recall import RecallOptions, run_recall
        from infini_cli.training.corpus import Corpus

        tokens, places = parse_lengths(lengths), parse_depths(depths)
        subject = self.subject
        corpus = self.corpus if needs_corpus else Corpus((), {})
        options = RecallOptions(
            lengths=whole_segments(tokens, subject.segment_length),
            depths=places,
            samples=samples,
            seed=self.seed,
            controls=CONTROLS if controls else (),
            baselines=BASELINES if baselines else (),
            batch=self.together,
        )
        with (
            self._going_on_later(),
            self.session.reporter.progress(f"Evaluating {task.name}", total=1.0) as bar,
        ):

            def show(progress: "RecallProgress") -> None:
                speed = progress.tokens_read / max(progress.seconds, 1e-9)
                right = f", {progress.right:.0%} right" if progress.questions else ""
                tokens = f"{progress.tokens_done:,} of {progress.tokens_total:,} tokens"
                share = progress.tokens_done / max(1, progress.tokens_total)
                bar.update(share, detail=f"{tokens}, {speed:,.0f} tokens/s{right}")

            try:
                return run_recall(task, subject, corpus, options, self.file(task.name), on_progress=show)
            except ValueError as error:
                raise UsageError(str(error), hint="choose longer --lengths") from error

    def perplexity(self, *, lengths: str, samples: int) -> Entry:
        """Perplexity of unseen books."""
        from infini_cli.evals.grid import parse_lengths, whole_segments
        from infini_cli.evals.perplexity import run_perplexity

        tokens = whole_segments(parse_lengths(lengths), self.subject.segment_length)
        if tokens[0] < 2 * self.subject.segment_length:
            raise UsageError(
                f"documents of {tokens[0]} tokens have nothing beyond the first segment",
                hint=f"choose --lengths of at least {2 * self.subject.segment_length}",
            )
        with self._counting("perplexity", "tokens") as show:
            return run_perplexity(
                self.subject,
                self.corpus,
                self.file("perplexity"),
                lengths=tokens,
                samples=samples,
                seed=self.seed,
                batch=self.together,
                on_progress=show,
            )

    def reading(self, *, samples: int, passages: int) -> Entry:
        """Questions about a passage in the window."""
        from infini_cli.evals.comprehension import run_reading

        with self._counting("reading", "questions") as show:
            return run_reading(
                self.subject,
                self.corpus,
                self.file("reading"),
                samples=samples,
                passages=passages,
                seed=self.seed,
                on_progress=show,
            )

    def short_text(self, *, samples: int) -> Entry:
        """Text within one segment, and plain requests."""
        from infini_cli.evals.short_text import load_requests, run_short_text

        with self._counting("short text", "texts and requests") as show:
            return run_short_text(
                self.subject,
                self.corpus,
                self.file("short-text"),
                samples=samples,
                requests=load_requests(),
                seed=self.seed,
                on_progress=show,
            )

    @contextlib.contextmanager
    def _counting(self, what: str, unit: str) -> Iterator[Any]:
        """Progress in whole things of a kind: a function of those done and all."""
        with self._going_on_later(), self.session.reporter.progress(f"Evaluating {what}", total=1.0) as bar:
            yield lambda done, total: bar.update(done / max(1, total), detail=f"{done:,} of {total:,} {unit}")

    @contextlib.contextmanager
    def _going_on_later(self) -> Iterator[None]:
        """Tell, when the user stops the command, how it can go on."""
        try:
            yield
        except KeyboardInterrupt:
            hint = "with --output FILE.json, an evaluation that was stopped can go on"
            if self.output is not None:
                hint = f"the same command goes on with what is in {self.output}"
            raise Interrupted("interrupted", hint=hint) from None

    def show(self, name: str, entry: Entry) -> None:
        """Print what was measured; questions and answers are in the file of --output."""
        if self.session.reporter.json:
            self.session.reporter.emit_json({"evaluation": name, **without_records(entry)})
        else:
            self.show_table(name, entry)

    def show_table(self, name: str, entry: Entry) -> None:
        """Print what was measured, for people."""
        columns, rows = {
            "perplexity": _perplexity_table,
            "reading": _reading_table,
            "short-text": _short_text_table,
        }.get(name, _recall_table)(entry)
        self.session.reporter.emit_table(columns, rows, right=columns[1:])


def check_writable(output: Path | None) -> None:
    """Raise UsageError, before anything is measured, when a file could not be written."""
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise UsageError(f"{output} cannot be written: it is a folder, or its folder is not there")


def check_plot(file: Path | None) -> None:
    """Raise UsageError, before anything is measured, when no plot could be drawn."""
    if file is not None:
        from infini_cli.evals.plot import check_matplotlib

        check_writable(file)
        check_matplotlib()


def draw(file: Path | None, name: str, entry: Entry) -> None:
    """Draw the heat map that --plot asks for."""
    if file is not None:
        from infini_cli.evals.plot import heat_map

        heat_map(entry, name, file)


def chosen(text: str, known: Sequence[str], option: str) -> tuple[str, ...]:
    """Names from a list on the command line, in the order in which they are known.

    Raises:
        UsageError: one is not known.
    """
    names = [part.strip() for part in text.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"{name!r} is not a value for {option}", hint=f"allowed: {', '.join(known)}")
    return tuple(name for name in known if name in names)


def without_records(entry: Entry) -> Entry:
    """An entry without the single questions and answers."""
    return {key: value for key, value in entry.items() if key != "records"}


Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # columns and rows


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f}%"


def _recall_table(entry: Entry) -> Table:
    """A row for each kind and length, a column for each depth and control."""
    from infini_cli.evals.grid import format_length

    depths = sorted({cell["depth"] for cell in entry["cells"]})
    controls = list(dict.fromkeys(name for total in entry["totals"] for name in total.get("controls", {})))
    at = {(cell["kind"], cell["length"], cell["depth"]): cell["exact"] for cell in entry["cells"]}
    rows = [
        (
            total["kind"],
            format_length(total["length"]),
            str(total["n"]),
            _percent(total["exact"]),
            "–".join(_percent(bound) for bound in total["interval"]),
            *(_percent(at.get((total["kind"], total["length"], depth))) for depth in depths),
            *(_percent(total.get("controls", {}).get(name, {}).get("exact")) for name in controls),
        )
        for total in entry["totals"]
    ]
    places = (f"at {100 * depth:g}%" for depth in depths)
    names = (name.replace("_", " ") for name in controls)
    return ("kind", "length", "n", "right", "95%", *places, *names), rows


def _perplexity_table(entry: Entry) -> Table:
    from infini_cli.evals.grid import format_length
    from infini_cli.evals.perplexity import WAYS

    rows = [
        (
            format_length(total["length"]),
            str(total["n"]),
            f"{total['tokens']:,}",
            *(f"{total['perplexity'][way]:.3f}" for way in WAYS),
        )
        for total in entry["totals"]
    ]
    return ("length", "documents", "tokens", *(way.replace("_", " ") for way in WAYS)), rows


def _reading_table(entry: Entry) -> Table:
    rows = [
        (
            name.replace("_", " "),
            str(reader["answerable"]),
            *(_percent(reader[measure]) for measure in ("f1", "exact", "contained", "refused_wrongly")),
            str(reader["unanswerable"]),
            _percent(reader["refused_rightly"]),
        )
        for name, reader in entry["readers"].items()
    ]
    columns = ("answerable", "F1", "exact", "contained", "refused", "unanswerable", "rightly refused")
    return ("reader", *columns), rows


def _short_text_table(entry: Entry) -> Table:
    rows: list[tuple[str, ...]] = []
    for who in ("model", "base"):
        replies = entry["replies"][who]
        rows.append(
            (
                who,
                f"{entry['perplexity'][who]:.3f}",
                f"{entry['difference_percent']:+.1f}%" if who == "model" else "",
                f"{replies['tokens']:.0f}",
                f"{100 * replies['repetition']:.1f}%",
                "" if replies["log_probability"] is None else f"{replies['log_probability']:.2f}",
            )
        )
    return ("who", "perplexity", "difference", "tokens a reply", "repeated", "log probability"), rows
