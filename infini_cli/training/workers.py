"""One process, or one of several that `torchrun` started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist

from infini_cli.reading.engine import choose_device


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
    dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Worker(dist.get_rank(), dist.get_world_size(), chosen)
    finally:
        dist.destroy_process_group()
