"""What the dispatcher counts: the one owner of submissions, completions, retries and deaths.

Each generation has counts of its own, which a rollback is decided on; totals are their sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

SHOWN_GENERATIONS: Final = 8
"""So many generations are shown by themselves."""
_SHOWN_COUNTS: Final = ("completed", "owned", "failed", "deaths", "start_failures")


@dataclass(slots=True)
class GenerationCounts:
    """Counts of one generation's workers; they never fall."""

    completed: int = 0
    """Inputs that they have committed, failed ones included."""
    owned: int = 0
    """Runs of inputs that had waited, of timers, and of the end of the input, that they have
    committed, or suspended again."""
    failed: int = 0
    """Of these, the ones that were set aside as dead letters, or passed over."""
    retries: int = 0
    """Inputs tried again alone, because they are suspected of having killed their worker."""
    requeued: int = 0
    """Inputs sent again because the worker that they had been sent to died, without a suspicion
    against them in particular: most had not begun."""
    deaths: int = 0
    """Deaths of workers that had been ready."""
    start_failures: int = 0
    """Workers that could not be started, or ended before they were ready."""
    rejected: int = 0
    """Inputs that were found to kill workers, and sent to be set aside."""
    last_death: str = ""
    """How the last of the workers ended, or did not start."""

    @property
    def runs(self) -> int:
        """The runs that have ended: of inputs, and of what was owned by shards."""
        return self.completed + self.owned


@dataclass(slots=True)
class Counters:
    """Counts since the dispatcher was made."""

    submitted: int = 0
    recovered: int = 0
    """Inputs that an earlier life of a worker or of the launcher had completed."""
    recovered_failed: int = 0
    """Of these, the ones that had failed for good."""
    generations: dict[int, GenerationCounts] = field(default_factory=dict)

    def by_generation(self) -> dict[str, dict[str, int]]:
        """What the workers of the last generations have done; of those `before` in sum."""
        numbers = sorted(self.generations)
        names = ["before"] * (len(numbers) - SHOWN_GENERATIONS)
        names += map(str, numbers[-SHOWN_GENERATIONS:])
        found: dict[str, dict[str, int]] = {}
        for name, number in zip(names, numbers, strict=True):
            counts = found.setdefault(name, dict.fromkeys(_SHOWN_COUNTS, 0))
            for count in _SHOWN_COUNTS:
                counts[count] += getattr(self.generations[number], count)
        return found

    def of(self, generation: int) -> GenerationCounts:
        """The counts of one generation."""
        counts = self.generations.get(generation)
        if counts is None:
            counts = self.generations[generation] = GenerationCounts()
        return counts

    @property
    def completed(self) -> int:
        """Submitted inputs that are done."""
        return self.recovered + sum(counts.completed for counts in self.generations.values())

    @property
    def failed(self) -> int:
        """Inputs that have failed for good, in all generations."""
        return self.recovered_failed + sum(counts.failed for counts in self.generations.values())

    @property
    def retries(self) -> int:
        """Retries in all generations."""
        return sum(counts.retries for counts in self.generations.values())

    @property
    def requeued(self) -> int:
        """Inputs that were sent again, in all generations."""
        return sum(counts.requeued for counts in self.generations.values())

    @property
    def deaths(self) -> int:
        """Deaths in all generations."""
        return sum(counts.deaths for counts in self.generations.values())

    @property
    def start_failures(self) -> int:
        """Failed starts in all generations."""
        return sum(counts.start_failures for counts in self.generations.values())

    @property
    def rejected(self) -> int:
        """Rejected inputs in all generations."""
        return sum(counts.rejected for counts in self.generations.values())
