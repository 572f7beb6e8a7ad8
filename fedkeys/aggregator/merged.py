"""How much was merged: for progress and accounts.

In: batches. Out: sums. Law: what was refused, or had been merged before, is not in them.
"""

from dataclasses import dataclass, replace

from fedkeys.delta import Batch


@dataclass(slots=True)
class Merged:
    """What one aggregator has merged since it was made, whatever its state held before.

    Attributes:
        deltas: how many.
        rows: how many n-grams they named, of all orders together.
        bytes: how long they were.
    """

    deltas: int = 0
    rows: int = 0
    bytes: int = 0

    def count(self, batch: Batch) -> None:
        """Add a batch."""
        self.deltas += len(batch.heads)
        self.rows += len(batch.counts)
        self.bytes += sum(head.length for head in batch.heads)

    def copy(self) -> "Merged":
        """Give what it is now."""
        return replace(self)

    def since(self, before: "Merged") -> "Merged":
        """Give what has come since."""
        return Merged(self.deltas - before.deltas, self.rows - before.rows, self.bytes - before.bytes)

    def add(self, other: "Merged") -> None:
        """Add what another process has merged."""
        self.deltas += other.deltas
        self.rows += other.rows
        self.bytes += other.bytes
