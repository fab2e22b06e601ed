"""Kernel limits that a worker sets for itself before it does anything else.

They hold for the process and for all processes that its actions start. The launcher checks first
whether they can be set, so that a mistake is one error at once and not a worker that cannot start:

- `memory-kernel-limit`: RLIMIT_DATA, which counts private writable memory, touched or not. Not
  RLIMIT_AS, since each shard maps a terabyte of address space.
- with `memory-limit: auto` a worker can reserve, besides what it has inherited from its zygote, no
  more than its pool may have together, and 4 GiB at least. So an action that asks for more than
  there can be gets a MemoryError, even if no process is watching.
- `open-files`: RLIMIT_NOFILE, the soft and the hard one.
- `cpu-affinity`: some CPUs, or with `spread` one for each worker, by slot. A worker that stays on
  its CPU keeps its caches; but it also stays there when other processes use that CPU.
- `nice`: added to the launcher's.
- `user`: holds for the zygote, which is started as that user. So no line of the agent is ever run
  as root, not even its import.
"""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...agent.config.configuration import Configuration
from ...agent.config.options import PoolOptions
from ...agent.config.values import AUTO
from ...agent.errors import ConfigError
from .machine import pool_memory, reserved_data

if TYPE_CHECKING:
    from pathlib import Path

SPREAD: Final = "spread"


@dataclass(frozen=True, slots=True)
class KernelLimits:
    """Kernel limits of a worker; 0, or an empty text, is no limit.

    `data` is in bytes, `cpus` as `parse_cpus` writes them.
    """

    data: int = 0
    more_data: int = 0
    """As `data`, but added to what the process has reserved at its start."""
    open_files: int = 0
    cpus: str = ""
    nice: int = 0

    @classmethod
    def of(cls, config: Configuration) -> KernelLimits:
        """The limits that a configuration describes."""
        data = config.get(PoolOptions.MEMORY_KERNEL_LIMIT)
        is_auto = not data and config.get(PoolOptions.MEMORY_LIMIT) == AUTO
        return cls(
            data,
            pool_memory().reserve if is_auto else 0,
            config.get(PoolOptions.OPEN_FILES),
            config.get(PoolOptions.CPU_AFFINITY),
            config.get(PoolOptions.NICE),
        )

    def check(self) -> None:
        """Check that a process started by this one could set these limits.

        Raises:
            ConfigError: it could not; the message names the setting.
        """
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        if self.open_files and _above(self.open_files, most) and os.geteuid() != 0:
            raise ConfigError(
                f"open-files is {self.open_files}, and this user's hard limit is {most}.",
                hint="Set a lower one, or have the hard limit raised (ulimit -Hn).",
            )
        if self.cpus and self.cpus != SPREAD:
            usable = os.sched_getaffinity(0)
            missing = sorted(set(map(int, self.cpus.split(","))) - usable)
            if missing:
                raise ConfigError(
                    f"cpu-affinity names CPU {missing[0]}, which this process may not use.",
                    hint="It may use " + ",".join(map(str, sorted(usable))) + ".",
                )
        if self.nice < 0 and os.geteuid() != 0:
            raise ConfigError(
                f"nice is {self.nice}, and only root may take precedence.",
                hint="Set 0 or more.",
            )

    def apply(self, slot: int) -> None:
        """Set the limits for this process, the worker of `slot`.

        Raises:
            OSError, ValueError: the kernel refuses.
        """
        if self.open_files:
            _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
            hard = most if _above(self.open_files, most) and os.geteuid() != 0 else self.open_files
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.open_files, hard))
        if self.cpus:
            os.sched_setaffinity(0, self._cpus_of(slot))
        if self.nice:
            os.nice(self.nice)
        if self.data:  # the last, since the others may need memory
            resource.setrlimit(resource.RLIMIT_DATA, (self.data, self.data))
        elif self.more_data:
            _, most = resource.getrlimit(resource.RLIMIT_DATA)
            data = reserved_data() + self.more_data
            if not _above(data, most):
                resource.setrlimit(resource.RLIMIT_DATA, (data, most))

    def _cpus_of(self, slot: int) -> set[int]:
        if self.cpus != SPREAD:
            return set(map(int, self.cpus.split(",")))
        usable = sorted(os.sched_getaffinity(0))
        return {usable[slot % len(usable)]}


FILES_PER_SHARD: Final = 4
"""Descriptors that a worker has open for each of its shards."""
OTHER_FILES: Final = 30
"""Descriptors that a launcher or worker needs besides, about."""


def allow_open_files(shards: int, workers: int) -> None:
    """Raise this process's limit on open files, if a pool needs more, and more are allowed.

    Raises:
        ConfigError: they are not allowed.
    """
    largest = -(-shards // workers)
    needed = OTHER_FILES + max(FILES_PER_SHARD * largest, 2 * shards)
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not _above(needed, limit):
        return
    if _above(needed, most):
        raise ConfigError(
            f"With {shards} shards and workers={workers} a process needs {needed} open files, and"
            f" {most} are allowed.",
            hint="Raise the limit (ulimit -n), or have more workers, or fewer shards (--set"
            " shards=N) in a new state directory.",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))


def _above(number: int, limit: int) -> bool:
    return limit != resource.RLIM_INFINITY and number > limit


@dataclass(frozen=True, slots=True)
class Account:
    """The user of this machine as whom workers run."""

    name: str
    user: int
    group: int
    groups: tuple[int, ...]
    home: str

    @classmethod
    def of(cls, config: Configuration) -> Account | None:
        """The account that a configuration names; None if this process runs as that user.

        Raises:
            ConfigError: there is no such user, or only root could run workers as that one.
        """
        name = config.get(PoolOptions.USER)
        if not name:
            return None
        import pwd  # noqa: PLC0415 (not on every system)

        try:
            entry = pwd.getpwuid(int(name)) if name.isdigit() else pwd.getpwnam(name)
        except KeyError:
            raise ConfigError(
                f"user is {name!r}, and this machine has no such user.",
                hint="Name one of /etc/passwd, by name or number.",
            ) from None
        if entry.pw_uid == os.geteuid():
            return None
        if os.geteuid() != 0:
            raise ConfigError(
                f"Only root can run workers as {entry.pw_name}.",
                hint="Leave user out, or start tamias as root or as that user.",
            )
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)

    def variables(self) -> dict[str, str]:
        """Environment variables that name the user."""
        return {"HOME": self.home, "USER": self.name, "LOGNAME": self.name}


def users_of_workers(config: dict[str, Any]) -> set[int]:
    """The users as whom workers run: this one, before they change to the other, and that one."""
    account = Account.of(Configuration(config))
    return {os.geteuid(), *(() if account is None else (account.user,))}


def give_to_user(path: Path, config: dict[str, Any]) -> None:
    """Make the user as whom workers run the owner of a directory and of all that is in it."""
    account = Account.of(Configuration(config))
    if account is None:
        return
    os.chown(path, account.user, account.group)
    for inside in path.rglob("*"):
        os.chown(inside, account.user, account.group, follow_symlinks=False)
