"""One process, or one of several that `torchrun` started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist

from infini_cli.reading.engine import choose_device

# the others wait for what the first worker alone does before the stages
_PATIENCE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Worker:
    """This process among those that train together."""

    rank: int
    count: int
    device: torch.device

    @property
    def speaks(self) -> bool:
        """Whether this is the one process that writes files and tells people."""
        return self.rank == 0


@contextmanager
def threads_of(workers: int) -> Iterator[None]:
    """While the block runs, this process computes with its threads and those of all others, which wait."""
    own = torch.get_num_threads()
    torch.set_num_threads(own * workers)
    try:
        yield
    finally:
        torch.set_num_threads(own)


@contextmanager
def join_workers(device: str) -> Iterator[Worker]:
    """Join the process group that the environment of `torchrun` describes, if there is one, and leave it at the end.

    Args:
        device: as in the settings; on CUDA each process takes the device of its own local rank.

    Raises:
        UsageError: the device is not there.
    """
    chosen = choose_device(device)
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        yield Worker(0, 1, chosen)
        return
    if chosen.type == "cuda":
        chosen = choose_device(f"cuda:{os.environ.get('LOCAL_RANK', '0')}")
        torch.cuda.set_device(chosen)
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield Worker(dist.get_rank(), dist.get_world_size(), chosen)
    finally:
        dist.destroy_process_group()
