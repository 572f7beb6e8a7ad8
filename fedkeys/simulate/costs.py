"""`Costs`: what one phone costs, and what grows with all of them, as measured on one machine.

In: measurements of `fedkeys.simulate.measuring`. Out: figures that a plan is made of; JSON, and back. Laws: what
was written is read back as it was; what is not of this form is refused.

Seconds are CPU seconds of one core of the machine that measured. An n-gram here is one of the orders 1 to 3, as a
generated fleet has them.
"""

import json
from dataclasses import asdict, dataclass, fields, is_dataclass
from math import ceil
from pathlib import Path
from sys import float_info
from typing import Any

from fedkeys.container import read_bytes, write_atomically
from fedkeys.delta.secure import MOST_NUMBERS, ROUNDED_TO
from fedkeys.delta.table import sketch_for
from fedkeys.errors import FormatError, UsageError
from fedkeys.privacy.neighbours import Neighbourhood
from fedkeys.simulate.fits import Line, PowerLaw

MARGIN = 1.15  # more room than the last sum has needed, as `fedkeys.simulate.summing` leaves

MIN_PHONES = 2, 20, 100  # what releases were measured of

_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PlainCosts:
    """What deltas cost that the aggregator sees.

    Attributes:
        delta_bytes: bytes of the median delta, by its n-grams.
        phone_seconds: of a phone to count, bound and write a delta, by its n-grams; shipped phones.
        server_seconds: to read a delta, check it, enter it in the ledger and add it up, by its n-grams.
        unpack_seconds: the baseline: to unpack the content of a delta of the fleet with msgpack, as a map of
            n-grams to counts, and add it up in a dictionary.
        ledger_bytes: bytes on disk, of one delta.
        row_bytes: bytes on disk of a distinct n-gram in the sums, with words.
        settle_seconds: to merge an n-gram that runs on disk hold with those of the others.
        release_seconds: of a release, by distinct n-grams in the sums, which lie on disk.
        release_bytes: bytes of memory that a release holds at most, by distinct n-grams in the sums.
        distinct: how many distinct n-grams there are, by how many were sent: Heaps' law.
        released_2, released_20, released_100: how many n-grams a release tells that so many phones have, by how
            many were sent.
        model_bytes: bytes of a model, by its n-grams.
    """

    delta_bytes: Line
    phone_seconds: Line
    server_seconds: Line
    unpack_seconds: float
    ledger_bytes: float
    row_bytes: float
    settle_seconds: float
    release_seconds: Line
    release_bytes: Line
    distinct: PowerLaw
    released_2: PowerLaw
    released_20: PowerLaw
    released_100: PowerLaw
    model_bytes: Line

    def released(self, min_phones: int) -> PowerLaw:
        """Give how many n-grams a release tells.

        Raises:
            UsageError: that was not measured for so many phones.
        """
        found: PowerLaw | None = getattr(self, f"released_{min_phones}", None)
        if found is None:
            raise UsageError(
                f"what a release tells of at least {min_phones} phones was not measured",
                remedy=f"choose one of {', '.join(map(str, MIN_PHONES))}",
            )
        return found


@dataclass(frozen=True, slots=True)
class SecureCosts:
    """What sums cost that the aggregator does not see into; with n phones, k neighbours, vectors of L numbers.

    Attributes:
        entries: of the table of a delta, by its n-grams; a phone says them rounded up.
        distinct: how many distinct entries a sum has, by how many its phones have together.
        up_bytes: bytes that a phone sends beside the 4 L of its vector, by k.
        down_bytes: bytes that it is told, by k.
        mask: seconds to add a number of a mask: a phone has k + 1 of them; the server takes off one of each phone
            in the sum, and of each that is lost one for each neighbour in the sum.
        phone_neighbour: seconds of a phone for each neighbour: keys, boxes, shares.
        phone_number: seconds of a phone for each number of its vector.
        phone_error: the greatest distance of a measured run from that, as a part of it.
        merge_agreement: seconds of the server for each of the latter masks, beside that: keys are agreed on.
        merge_number: seconds for each number of the sum, to tell it apart and merge it.
        merge_share: seconds for each of n k shares.
        merge_sum: seconds of a sum, whatever its size.
        merge_error: as `phone_error`.
        message_number: seconds of the server for each number of each vector that comes.
        message_share: seconds for each of n k, of the messages before and after.
        message_error: as `phone_error`.
        memory_number: bytes of memory that the server holds at most of a sum, for each of L.
        memory_share: the same, for each of n k.
        memory_sum: the same, whatever its size.
        memory_error: as `phone_error`.
    """

    entries: Line
    distinct: PowerLaw
    up_bytes: Line
    down_bytes: Line
    mask: float
    phone_neighbour: float
    phone_number: float
    phone_error: float
    merge_agreement: float
    merge_number: float
    merge_share: float
    merge_sum: float
    merge_error: float
    message_number: float
    message_share: float
    message_error: float
    memory_number: float
    memory_share: float
    memory_sum: float
    memory_error: float

    def sum_of(self, phones: int, ngrams: float) -> "SumCosts":
        """Give what one sum costs.

        Args:
            phones: that begin it.
            ngrams: that each has sent.

        Raises:
            UsageError: the vectors would be too long, or there are too few phones.
        """
        of_phone = ceil(self.entries.at(ngrams) / ROUNDED_TO) * ROUNDED_TO
        in_all = phones * of_phone
        part = min(1.0, MARGIN * self.distinct.at(in_all) / in_all)
        numbers = sketch_for(ceil(part * in_all), b"").length
        if numbers > MOST_NUMBERS:
            raise UsageError(
                f"a sum of {phones:,} phones would have vectors of {numbers:,} numbers, of which it has "
                f"{MOST_NUMBERS:,} at the most",
                remedy="add fewer phones up together",
            )
        return SumCosts(self, phones, Neighbourhood.of(phones).neighbours, numbers)


@dataclass(frozen=True, slots=True)
class SumCosts:
    """What one sum costs.

    Attributes:
        costs: what it is made of.
        phones: n, that begin it.
        neighbours: k, of each.
        numbers: L, of a vector.
    """

    costs: SecureCosts
    phones: int
    neighbours: int
    numbers: int

    @property
    def up_bytes(self) -> float:
        """Bytes that a phone sends."""
        return 4 * self.numbers + self.costs.up_bytes.at(self.neighbours)

    @property
    def down_bytes(self) -> float:
        """Bytes that a phone is told."""
        return self.costs.down_bytes.at(self.neighbours)

    @property
    def phone_seconds(self) -> float:
        """Seconds of a phone."""
        costs = self.costs
        masks = costs.mask * (self.neighbours + 1) * self.numbers
        return masks + costs.phone_neighbour * self.neighbours + costs.phone_number * self.numbers

    def server_seconds(self, lost: float) -> float:
        """Seconds of the server, if a part of the phones is lost before it has sent its vector."""
        costs, alive = self.costs, (1 - lost) * self.phones
        of_lost = lost * alive * self.neighbours
        by_number = costs.mask * (alive + of_lost) + costs.merge_number + costs.message_number * alive
        by_share = (costs.merge_share + costs.message_share) * self.phones * self.neighbours
        return by_number * self.numbers + costs.merge_agreement * of_lost + by_share + costs.merge_sum

    @property
    def memory(self) -> float:
        """Bytes of memory of the server."""
        costs, shares = self.costs, self.phones * self.neighbours
        return costs.memory_number * self.numbers + costs.memory_share * shares + costs.memory_sum


@dataclass(frozen=True, slots=True)
class Costs:
    """All that was measured.

    Attributes:
        machine: what measured it.
        ngrams: how many n-grams a phone of the fleet has sent, on average.
        plain, secure: what they cost; `secure` is None where the extra `privacy` was missing.
    """

    machine: str
    ngrams: float
    plain: PlainCosts
    secure: SecureCosts | None

    def save(self, path: Path) -> None:
        """Write them, to be read by people too."""
        write_atomically(path, (json.dumps(asdict(self), indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> "Costs":
        """Read what `save` wrote.

        Raises:
            FormatError: it is nothing of that form.
            FedkeysError: it cannot be read.
        """
        try:
            given = json.loads(read_bytes(path, _MOST_BYTES))
        except (ValueError, RecursionError):
            raise _unlike("JSON", "").at(path) from None
        try:
            found = _read(cls, given, "")
        except FormatError as error:
            raise error.at(path) from None
        assert isinstance(found, cls)
        return found


def _read(form: Any, given: Any, place: str) -> Any:
    """Make a value of a dataclass of what JSON says."""
    expected = {field.name: field.type for field in fields(form)}
    if not isinstance(given, dict) or given.keys() != expected.keys():
        raise _unlike(f"an object with {', '.join(expected)}, and nothing else,", place)
    under = f"{place}." if place else ""
    return form(**{name: _value(type_, given[name], under + name) for name, type_ in expected.items()})


def _value(type_: Any, given: Any, place: str) -> Any:
    if type_ == SecureCosts | None:
        return None if given is None else _read(SecureCosts, given, place)
    if is_dataclass(type_):
        return _read(type_, given, place)
    if type_ is str:
        if not isinstance(given, str):
            raise _unlike("a text", place)
        return given
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) <= float_info.max:
        raise _unlike("a number", place)
    if given < 0 and not place.endswith(_SIGNED):
        raise _unlike("a number of 0 or more", place)
    return type_(given)


def _unlike(expected: str, place: str) -> FormatError:
    return FormatError(
        f"no costs as --keep-costs writes them: {expected} was expected",
        place=place or None,
        remedy="measure again with --keep-costs",
    )


_SIGNED = ".centre"
