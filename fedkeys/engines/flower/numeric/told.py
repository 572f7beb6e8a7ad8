"""What nodes tell of their data before the first round, read with distrust.

In: facts of answers, of which a node may have made up anything. Out: `Told`, moments, totals. Law: each is sound
in itself, or refused with a sentence; whether it is true nobody else knows.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fedkeys.engines.flower.numeric.wire import FAULTS, whole
from fedkeys.errors import FormatError
from fedkeys.fedavg.agreement import Summary
from fedkeys.fedavg.hospitals import Moments
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.preparation import Totals

_LONGEST_NAME, _LONGEST_TEXT = 100, 1 << 22  # characters
_MOST_COLUMNS = 10_000
_LARGEST, _LARGEST_SQUARE = 1e100, 1e250  # of a mean or a sum, and of sums of squares


@dataclass(slots=True)
class Told:
    """What one node has told.

    Attributes:
        node: its number in Flower.
        place, name: by which clients are ordered.
        samples, features: how many it trains on, of how many columns; 0 while a table is not prepared.
        summary: of a table.
        moments: of a hospital's columns, once they are known.
    """

    node: int
    place: int
    name: str
    samples: int
    features: int
    summary: Summary | None
    moments: Moments | None

    @classmethod
    def read(cls, node: int, facts: Mapping[str, Any]) -> "Told":
        """Read who a node is.

        Raises:
            FormatError: it does not say so soundly.
        """
        try:
            place, name = whole(facts["place"]), _name(facts["name"])
            if "summary" in facts:
                summary = _summary(facts["summary"])
                return cls(node, place, name, 0, 0, summary, None)
            samples, features = whole(facts["samples"], 1), whole(facts["features"], 1)
            if features > _MOST_COLUMNS:
                raise ValueError(f"{features} columns, where up to {_MOST_COLUMNS:,} are taken")
            moments = moments_in(facts, features) if "moments" in facts else None
            if moments is not None and moments.patients != samples:
                raise ValueError("its moments are of other data")
        except (*FAULTS, FormatError) as error:
            raise FormatError(f"a node does not say who it is ({error})") from None
        return cls(node, place, name, samples, features, None, moments)

    @property
    def columns(self) -> tuple[object, ...]:
        """What columns its data have, as far as that is known."""
        if self.features or self.summary is None:
            return (self.features,)
        return (self.summary.columns, self.summary.outcome)


def moments_in(facts: Mapping[str, Any], width: int) -> Moments:
    """Read what a hospital tells of so many columns.

    Raises:
        FormatError: it is not sound.
    """
    try:
        patients, means, deviations = _json(facts["moments"])
        squares = _numbers(deviations, width, _LARGEST_SQUARE)
        found = Moments(whole(patients, 1), _numbers(means, width), squares)
        if np.any(found.deviations < 0):
            raise ValueError("squares below 0")
    except FAULTS as error:
        raise FormatError(f"a hospital's moments cannot be read ({error})") from None
    return found


def totals_in(facts: Mapping[str, Any], width: int) -> Totals:
    """Read a hospital's sums and counts of so many columns.

    Raises:
        FormatError: they are not sound.
    """
    try:
        counts = _json(facts["counts"])
        _numbers(counts, width)
        return Totals(_numbers(_json(facts["sums"]), width), np.array([whole(count) for count in counts]))
    except FAULTS as error:
        raise FormatError(f"a hospital's totals cannot be read ({error})") from None


def _summary(text: object) -> Summary:
    found = Summary(**_json(text))
    columns, width, rows = tuple(map(_name, found.columns)), len(found.columns), whole(found.rows, 1)
    missing = tuple(whole(count) for count in found.missing)
    few = tuple(None if own is None else tuple(map(float, own)) for own in found.few)
    kinds = tuple(map(bool, found.kinds))
    if not width == len(set(columns)) == len(few) == len(missing) or width > _MOST_COLUMNS or len(kinds) != 2:
        raise ValueError("a summary that is not of one table")
    if max(missing) > rows or found.outcome not in columns:
        raise ValueError("a summary that does not fit together")
    if any(own and _numbers(own, len(own)).tolist() != sorted(set(own)) for own in few):
        raise ValueError("values of a column that are not in order")
    return Summary(_name(found.name), columns, found.outcome, rows, missing, few, kinds)


def _name(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= _LONGEST_NAME:
        raise ValueError("no name that can be shown in a line")
    return value


def _json(text: object) -> Any:
    if not isinstance(text, str) or len(text) > _LONGEST_TEXT:
        raise ValueError(f"no text of up to {_LONGEST_TEXT:,} characters")
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _numbers(values: object, width: int, largest: float = _LARGEST) -> Array:
    found = np.array(values, float)
    if found.shape != (width,) or not (np.abs(found) <= largest).all():
        raise ValueError(f"not {width} numbers")
    return found
