"""The tables of `fedkeys bench capacity`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from fedkeys.cli.console import short, size

if TYPE_CHECKING:
    from fedkeys.simulate.capacity import Lever, Need
    from fedkeys.simulate.costs import Costs, SecureCosts
    from fedkeys.simulate.fits import Line, PowerLaw


class Table(NamedTuple):
    """A table of the plan.

    Attributes:
        title, columns, rows: of it.
        dispensable: columns that a narrow terminal does without, the first to go first.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    dispensable: Sequence[str] = ()


class Planned(NamedTuple):
    """One row of the plan.

    Attributes:
        need: of the fleet.
        heard: days until half, 99 % and all of it were heard; None for more than a year.
        levers: what could be changed, the best first.
    """

    need: "Need"
    heard: Sequence[float | None]
    levers: Sequence["Lever"]

    @property
    def best(self) -> "Lever":
        """The lever that helps most, of those that leave a fleet heard within twice the time, if there are any."""
        most = self.heard[1]
        quick = (lever for lever in self.levers if most and lever.days and lever.days <= 2 * most)
        return next(quick, self.levers[0])


def tables(costs: "Costs", plan: Sequence[Planned]) -> list[Table]:
    """Give the tables of a plan."""
    needs = [row.need for row in plan]
    machine, rounds = needs[0].machine, needs[0].setting.rounds
    has = (
        f"{machine.cores} cores, {size(machine.memory)} of memory, {size(machine.disk)} of disk, "
        f"{8 * machine.network / 1e9:g} Gbit/s each way"
    )
    return [
        Table(f"measured on {costs.machine}", ("", "figure", "off by"), _measured(costs)),
        Table(
            "a phone, in a round",
            ("fleet", "sends", "gets", "core seconds"),
            [
                (_fleet(need), size(need.up_bytes), size(need.down_bytes), f"{need.phone_seconds:.2g}")
                for need in needs
            ],
        ),
        Table(
            f"phones, in a day of {rounds} rounds, and days until they were heard",
            ("fleet", "asked", "merged", "lost", "late", "failed", "50 %", "99 %", "all heard"),
            [_turnout(row) for row in plan],
            ("failed", "asked", "late", "lost"),
        ),
        Table(
            "the server, bytes",
            ("fleet", "in a day", "out a day", "in, a second", "out, a second", "memory", "disk"),
            [
                (
                    _fleet(need),
                    *(size(need.in_bytes), size(need.out_bytes), size(need.in_peak), size(need.out_peak)),
                    *(size(need.memory), size(need.held.disk_bytes)),
                )
                for need in needs
            ],
            ("in a day", "out a day"),
        ),
        Table(
            "the server, core seconds and seconds",
            ("fleet", "a round", "a release", "cores needed", "longest queue", "longest wait"),
            [_time(need) for need in needs],
            ("longest queue", "a release"),
        ),
        Table(
            "n-grams, and how far they are extrapolated",
            ("fleet", "in the sums", "sums, 95 %", "released", "released, 95 %", "beyond what was measured"),
            [
                (
                    _fleet(need),
                    *(short(need.held.distinct), _range(need.held.distinct_range)),
                    *(short(need.held.told), _range(need.held.told_range)),
                    f"{need.held.beyond:,.1f} x",
                )
                for need in needs
            ],
            ("released, 95 %", "sums, 95 %"),
        ),
        Table(
            f"used of one machine ({has}; 1 is all of it)",
            ("fleet", "cpu", "memory", "disk", "network in", "network out"),
            [(_fleet(need), *(_part(part) for part in need.used.values())) for need in needs],
            ("disk", "cpu"),
        ),
        Table(
            "what is short first, and what moves it most while 99 % are heard within twice the time",
            ("fleet, and lever", "short", "used", "used then", "short then", "99 % heard"),
            [_moved(row) for row in plan],
            ("short then", "99 % heard", "used"),
        ),
    ]


def lever_table(row: Planned) -> Table:
    """Give what every lever does to what is short first."""
    short_ = row.need.bottleneck
    return Table(
        f"{_fleet(row.need)}: of {short_} {_part(row.need.used[short_])} is used",
        ("lever", f"{short_} then", "short then", "99 % heard"),
        [(lever.name, _part(lever.need.used[short_]), *_then(lever)) for lever in row.levers],
    )


def _measured(costs: "Costs") -> list[tuple[str, str, str]]:
    """Give what was measured, for a phone of the fleet."""
    plain, ngrams = costs.plain, costs.ngrams
    server = plain.server_seconds.at(ngrams)
    return [
        _row(
            f"bytes of the median delta, {ngrams:.0f} n-grams",
            plain.delta_bytes.at(ngrams),
            0,
            plain.delta_bytes,
        ),
        _row(
            "ms of a phone to count and write it",
            1e3 * plain.phone_seconds.at(ngrams),
            2,
            plain.phone_seconds,
        ),
        _row("ms of the server to read and merge it", 1e3 * server, 3, plain.server_seconds),
        _row("... a multiple of msgpack and a dictionary", server / plain.unpack_seconds, 2),
        _row("bytes of ledger a delta", plain.ledger_bytes, 1),
        _row("bytes on disk of an n-gram of the sums", plain.row_bytes, 1),
        _row("us to merge an n-gram of the sums on disk", 1e6 * plain.settle_seconds, 3),
        _row(
            "us of a release, an n-gram of the sums",
            1e6 * plain.release_seconds.each,
            3,
            plain.release_seconds,
        ),
        _row("bytes of memory of a release, the same", plain.release_bytes.each, 1, plain.release_bytes),
        _row("bytes of a model, an n-gram", plain.model_bytes.each, 2, plain.model_bytes),
        *_law("distinct n-grams", plain.distinct),
        *_law("released, 2 phones or more", plain.released_2),
        *_law("released, 20 phones or more", plain.released_20),
        *_law("released, 100 phones or more", plain.released_100),
        *(_measured_sums(costs.secure) if costs.secure else ()),
    ]


def _measured_sums(secure: "SecureCosts") -> list[tuple[str, str, str]]:
    return [
        *_law("sums: distinct entries", secure.distinct),
        _row("sums: bytes sent beside the vector, a neighbour", secure.up_bytes.each, 1, secure.up_bytes),
        _row("sums: bytes told, a neighbour", secure.down_bytes.each, 1, secure.down_bytes),
        _row("sums: ns of either side, a number of a mask", 1e9 * secure.mask, 2),
        _row("sums: us of a phone, a neighbour", 1e6 * secure.phone_neighbour, 1, secure.phone_error),
        _row("... ns, a number of the vector", 1e9 * secure.phone_number, 1),
        _row(
            "sums: us of the server, a mask of a lost phone",
            1e6 * secure.merge_agreement,
            1,
            secure.merge_error,
        ),
        _row("... ns, a number of the sum", 1e9 * secure.merge_number, 1),
        _row("... us, a phone and neighbour", 1e6 * secure.merge_share, 2),
        _row("... ms, a sum", 1e3 * secure.merge_sum, 2),
        _row(
            "sums: ns of messages, a number of a vector", 1e9 * secure.message_number, 2, secure.message_error
        ),
        _row("... us, a phone and neighbour", 1e6 * secure.message_share, 2),
        _row("sums: bytes of memory, a number of the sum", secure.memory_number, 2, secure.memory_error),
        _row("... a phone and neighbour", secure.memory_share, 0),
    ]


def _row(name: str, figure: float, digits: int, fit: "Line | float | None" = None) -> tuple[str, str, str]:
    off = "" if fit is None else f"{100 * (fit if isinstance(fit, float) else fit.error):.1f} %"
    return name, f"{figure:,.{digits}f}", off


def _law(name: str, law: "PowerLaw") -> list[tuple[str, str, str]]:
    return [
        (f"{name} of n sent: a n^b, a", f"{law.factor:.4g}", f"{100 * law.spread:.1f} %"),
        ("... b", f"{law.power:.4f}", ""),
    ]


def _fleet(need: "Need") -> str:
    together = need.setting.together
    return f"{need.phones:,}, " + ("plain" if together is None else f"sums of {together}")


def _part(part: float) -> str:
    return f"{part:.3g}" if part < 1000 else f"{part:,.0f}"


def _range(ends: tuple[float, float]) -> str:
    return " to ".join(short(end) for end in ends)


def _days(days: float | None) -> str:
    return "over 366" if days is None else f"{days:.1f}"


def _turnout(row: Planned) -> tuple[str, ...]:
    day = row.need.day
    numbers = (day.asked, day.merged, day.lost, day.late, day.failed)
    return _fleet(row.need), *(f"{int(some.sum()):,}" for some in numbers), *map(_days, row.heard)


def _time(need: "Need") -> tuple[str, ...]:
    station = need.day.station
    cores = "never" if need.cores == float("inf") else _part(need.cores)
    seconds = (need.round_seconds, need.release_seconds)
    return (
        _fleet(need),
        *(f"{taken:,.1f}" for taken in seconds),
        *(cores, f"{station.longest:,}", f"{station.longest_stay:,.1f}"),
    )


def _moved(row: Planned) -> tuple[str, ...]:
    need, best = row.need, row.best
    used = need.used[need.bottleneck]
    return (
        *(f"{_fleet(need)}; {best.name}", need.bottleneck, _part(used)),
        *(_part(best.need.used[need.bottleneck]), *_then(best)),
    )


def _then(lever: "Lever") -> tuple[str, str]:
    need = lever.need
    return f"{need.bottleneck} {_part(need.used[need.bottleneck])}", _days(lever.days)
