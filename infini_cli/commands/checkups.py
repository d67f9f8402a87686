"""What `infini doctor` looks at, one thing after another: what was found, what is wrong, and how to mend it."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from infini_cli import __version__, paths
from infini_cli.errors import DiskError, InfiniError, ModelError, SnapshotError, UsageError
from infini_cli.failures import translate
from infini_cli.progress import format_bytes
from infini_cli.settings import Settings

if TYPE_CHECKING:
    from infini_cli.reading.engine import ModelEngine

SPEED_S = 0.5  # each for reading and for writing
BUSY_BELOW = 0.7  # of one processor's time; computing alone takes all of it, and of several with threads
LEAST_FREE_BYTES = 10**9
FALLBACK_MODEL = "for-tests-tiny"  # for the speed test where the model of the settings is not here
SHOWN_CHARACTERS = "“ ” ‘ ’ – … → │ ─"  # that results, help and bars are made of


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes:
        name: what it is.
        state: "ok", "warning" for what works less well than it could, "error" for what does not work.
        text: what was found.
        hint: how to mend it, or None.
        code: the exit code with which commands end for this; 0 unless it is an error.
    """

    name: str
    state: Literal["ok", "warning", "error"]
    text: str
    hint: str | None = None
    code: int = 0


def ok(name: str, text: str) -> Finding:
    """Something as it should be."""
    return Finding(name, "ok", text)


def warning(name: str, text: str, hint: str | None) -> Finding:
    """Something that works less well than it could."""
    return Finding(name, "warning", text, hint)


def failure(name: str, error: InfiniError) -> Finding:
    """Something that does not work, with the error that commands would end with."""
    return Finding(name, "error", error.message, error.hint, error.exit_code)


def check_program() -> Finding:
    """Version and Python."""
    python = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return ok("program", f"infini {__version__}, {python}")


def check_settings(error: UsageError | None) -> Finding:
    """Whether the settings could be read; what follows was looked at with the defaults if not."""
    if error is not None:
        return failure("settings", error)
    file = paths.config_file()
    return ok("settings", str(file) if file.is_file() else f"no file yet at {file}; the defaults count")


def check_terminal() -> Finding:
    """Whether the characters that infini prints can be written; whether the font has them, a person must see."""
    encoding = getattr(sys.stdout, "encoding", None) or "ascii"
    try:
        SHOWN_CHARACTERS.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return warning(
            "terminal",
            f"the encoding {encoding} lacks characters that are printed; they come out as question marks",
            "choose a UTF-8 locale, such as: export LC_ALL=C.UTF-8",
        )
    return ok("terminal", f"{encoding}; these should look like quotes, dashes and lines: {SHOWN_CHARACTERS}")


def check_sqlite() -> Finding:
    """Whether SQLite has the full-text index that passages are found with."""
    from infini_cli.reading.schema import TOKENIZE, in_words

    try:
        with in_words(Path(":memory:")), sqlite3.connect(":memory:") as connection:
            connection.execute(f"CREATE VIRTUAL TABLE words USING fts5(text, tokenize='{TOKENIZE}')")
    except SnapshotError as error:
        return failure("SQLite", error)
    return ok("SQLite", f"{sqlite3.sqlite_version} with full-text search (FTS5)")


def check_pdf() -> Finding:
    """Which readers of PDF files there are."""
    slow = f"pypdf {importlib.metadata.version('pypdf')}"
    if importlib.util.find_spec("pypdfium2") is None:
        return warning("PDF", f"{slow} only, which is many times slower", "pip install pypdfium2")
    return ok("PDF", f"pypdfium2 {importlib.metadata.version('pypdfium2')}, {slow}")


def check_places() -> Iterator[Finding]:
    """Whether the folders of infini can be written, and how much room there is."""
    places = {
        "memories": paths.memories_dir(),
        "models": paths.models_dir(),
        "settings folder": paths.config_file().parent,
        "cache": paths.cache_dir(),
        "state": paths.state_dir(),
    }
    for name, folder in places.items():
        yield _check_place(name, folder)


def _check_place(name: str, folder: Path) -> Finding:
    # a folder that is not there yet is made in the nearest one that is
    there = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        if not there.is_dir():
            raise NotADirectoryError(None, "a file is in its place")
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(bytes(4096))
    except OSError as error:
        reason = f"{folder} cannot be written: {error.strerror or error}"
        hint = "check its permissions, or set INFINI_HOME to a folder of your own"
        return failure(name, DiskError(reason, hint=hint))
    free = shutil.disk_usage(there).free
    found = f"{folder}, {format_bytes(free)} free"
    if free < LEAST_FREE_BYTES:
        return warning(name, found, "free some room, or set INFINI_HOME to a folder on a larger disk")
    return ok(name, found)


def check_memories() -> Iterator[Finding]:
    """Whether all memories can be opened and are whole."""
    from infini_cli.reading import library

    try:
        listed = library.list_memories()
    except OSError as error:
        reason = f"{paths.memories_dir()} cannot be read: {error.strerror or error}"
        yield failure("memories kept", DiskError(reason, hint="check its permissions and its disk"))
        return
    for memory in listed:
        if memory.error is not None:
            hint = memory.error.hint or f"remove it: infini memories rm {memory.name}"
            yield failure(f"memory {memory.name}", SnapshotError(memory.error.message, hint=hint))
    sound = [memory.info for memory in listed if memory.info is not None]
    unfinished = [info.name for info in sound if not info.record.complete]
    size = format_bytes(sum(info.disk_bytes for info in sound))
    found = f"{len(sound)} in order, {size}" if sound else "none yet"
    if unfinished:
        found += f"; not read to the end: {', '.join(unfinished)}"
        yield warning("memories kept", found, "the same `infini ingest` command goes on")
    else:
        yield ok("memories kept", found)


def check_models(settings: Settings, on_file: Callable[[str], None]) -> Iterator[Finding]:
    """Whether the model of the settings is here, and all models that were pulled are as they were.

    Args:
        settings: which model is used.
        on_file: gets the name of a model before all its bytes are read.
    """
    from infini_cli import zoo

    known = {model.name: model for model in zoo.list_models()}
    verified: dict[Path, str] = {}
    for name in dict.fromkeys([settings.model, *known]):
        model = known.get(name)
        try:
            if model is not None and model.state == "available" and name != settings.model:
                continue
            on_file(name)
            folder = zoo.resolve(name, offline=settings.offline).folder
            if model is None:
                yield ok(f"model {name}", f"in {folder}")
                continue
            if folder in verified:  # an adapter shares the files of its base model
                yield ok(f"model {name}", f"shares the files of {verified[folder]}")
                continue
            zoo.verify_model(name)
            verified[folder] = name
            how = "every file is as it was pulled" if model.state == "pulled" else "comes with the program"
            yield ok(f"model {name}", f"{how}, {format_bytes(model.disk_bytes or 0)}")
        except ModelError as error:
            yield failure(f"model {name}", error)


def check_torch() -> Finding:
    """PyTorch and the number of threads it computes with."""
    try:
        import torch
    except Exception as error:  # a broken installation fails in any way
        hint = "install PyTorch anew: https://pytorch.org/get-started/locally/"
        return failure("PyTorch", ModelError(f"it cannot be imported: {error}", hint=hint))
    threads, cores = torch.get_num_threads(), _usable_cores()
    built = f", CUDA {torch.version.cuda}" if torch.version.cuda else ", for the CPU"
    found = f"{torch.__version__}{built}; {threads} thread{'s' if threads > 1 else ''} of {cores}"
    if threads > cores:
        return warning(
            "PyTorch", found, f"more threads than processors are slow: export OMP_NUM_THREADS={cores}"
        )
    return ok("PyTorch", found)


def check_device(settings: Settings) -> Iterator[Finding]:
    """Where the model runs, in which number format, and how much memory there is."""
    import torch

    from infini_cli.reading.engine import choose_device, choose_dtype

    try:
        device = choose_device(settings.device)
    except UsageError as error:
        yield failure("device", error)
        return
    dtype = str(choose_dtype(settings.dtype, device)).removeprefix("torch.")
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        room = f"{format_bytes(free)} of {format_bytes(total)} free"
        yield ok("device", f"{device}, {torch.cuda.get_device_name(device)}, {room}")
    else:
        room = f", {format_bytes(_free_memory())} of memory free" if _free_memory() else ""
        yield ok("device", f"{device}, {_processor()}{room}")
        if shutil.which("nvidia-smi") and settings.device == "auto":
            yield warning(
                "GPU",
                "there seems to be an NVIDIA GPU, which this PyTorch cannot use",
                "install the build of PyTorch for its CUDA version: https://pytorch.org/get-started/locally/",
            )
    slow = settings.dtype == "bfloat16" and choose_dtype("auto", device) != torch.bfloat16
    if slow:
        yield warning("dtype", f"{dtype}, in which {device} does not compute itself", "use --dtype auto")
    else:
        yield ok("dtype", dtype)


def check_speed(settings: Settings) -> Finding:
    """How fast the model reads and writes, in about a second.

    The model of the settings is measured, or, where that is not here, the tiny one for tests.
    """
    from infini_cli.reading.engine import load_engine

    try:
        try:
            engine = load_engine(settings)
        except InfiniError:
            engine = load_engine(settings.model_copy(update={"model": FALLBACK_MODEL}))
        with _Share() as share:
            reads, writes = measure_reading(engine), measure_writing(engine)
    except Exception as error:
        if (told := translate(error, ())) is None:
            raise
        return failure("speed", told)
    found = f"{engine.model_name} reads {reads:,.0f} and writes {writes:,.0f} tokens a second"
    if engine.model_name != settings.model:
        found += f" ({settings.model} is not here to be measured)"
    if engine.device == "cpu" and share.of_one_core < BUSY_BELOW:
        return warning(
            "speed", f"{found}; other programs keep the processors busy", "try again when they ended"
        )
    return ok("speed", found)


class _Share:
    """How much of one processor this process gets while the block runs."""

    def __enter__(self) -> "_Share":
        self._started, self._used = time.monotonic(), time.process_time()
        return self

    def __exit__(self, *exception: object) -> None:
        used, passed = time.process_time() - self._used, time.monotonic() - self._started
        self.of_one_core = used / max(passed, 1e-9)


def measure_reading(engine: "ModelEngine") -> float:
    """Tokens read in a second, measured for SPEED_S seconds after one segment to warm up."""
    import torch

    segment = torch.arange(engine.segment_length).view(1, 1, -1) % engine.tokenizer.vocab_size
    state = engine.read(segment, engine.empty_state())
    started, count = time.monotonic(), 0
    while time.monotonic() - started < SPEED_S:
        state = engine.read(segment, state)
        # a GPU computes while Python goes on: to look at a number waits for it
        if state:
            float(state[0].norm.sum())
        count += engine.segment_length
    return count / (time.monotonic() - started)


def measure_writing(engine: "ModelEngine") -> float:
    """Tokens written in a second, measured for SPEED_S seconds after the first."""
    from infini_cli.nn.generate import Sampling, generate

    sampling = Sampling(max_new_tokens=10_000, temperature=1.0)
    prompt = engine.tokenizer.encode("Once upon a time")
    tokens = generate(engine.model, prompt, engine.empty_state(), sampling)
    next(tokens)
    started, count = time.monotonic(), 0
    while time.monotonic() - started < SPEED_S:
        next(tokens)
        count += 1
    return count / (time.monotonic() - started)


def _usable_cores() -> int:
    """Processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    """The processor by its name, with the number of cores."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    cores = _usable_cores()
    return f"{name}, {cores} core{'s' if cores > 1 else ''}"


def _free_memory() -> int:
    """Bytes of memory that a program can still get; 0 where that cannot be told."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(line.split()[1] for line in lines if line.startswith("MemAvailable"))
        return int(free) * 1024
    except (OSError, StopIteration, ValueError, IndexError):
        return 0
