"""How clients prepare their data, as messages say it.

In: what hospitals agreed on; a device, or a hospital's table. Out: text that a question holds, and a device that
trains and tests. Laws: no sum is over fewer patients than the node's settings say; a question has categories only
of columns that have few values by the node's own table.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self, get_args

import numpy as np

from fedkeys.engines.flower.numeric.wire import FAULTS
from fedkeys.errors import FormatError
from fedkeys.fedavg.agreement import Roles, few_values
from fedkeys.fedavg.clients import Device
from fedkeys.fedavg.hospitals import Hospital, Scale, federated_scale
from fedkeys.fedavg.preparation import Missing, Prepared, prepare
from fedkeys.fedavg.scenarios import Standardisation
from fedkeys.fedavg.tables import Table

PREPARATION = "preparation"  # the fact of a question that says it


@dataclass(frozen=True, slots=True)
class Preparation:
    """How clients prepare their data, each on site.

    Attributes:
        missing: what becomes of missing values.
        roles: of a table's columns, once hospitals have agreed.
        fill: float[d], what missing values become; None where none are left.
        standardisation: by all hospitals' mean and variance, its own, or none.
        scale: that of all hospitals, once it is known.
    """

    missing: Missing = "drop"
    roles: Roles | None = None
    fill: tuple[float, ...] | None = None
    standardisation: Standardisation = "none"
    scale: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def to_json(self) -> str:
        """Write it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read it.

        Raises:
            FormatError: the text is none.
        """
        try:
            found = json.loads(text)
            missing, standardisation = found["missing"], found["standardisation"]
            if missing not in get_args(Missing) or standardisation not in get_args(Standardisation):
                raise ValueError("no such way")
            roles, scale, fill = found["roles"], found["scale"], found["fill"]
            if roles is not None:
                categories = {name: tuple(map(float, own)) for name, own in roles["categories"].items()}
                names = tuple(map(str, roles["features"]))
                roles = Roles(str(roles["outcome"]), names, categories, tuple(roles["dropped"]))
            return cls(
                missing,
                roles,
                None if fill is None else tuple(map(float, fill)),
                standardisation,
                None if scale is None else (tuple(map(float, scale[0])), tuple(map(float, scale[1]))),
            )
        except FAULTS as error:
            raise FormatError(f"a question that does not say how data are prepared ({error})") from None

    def scaled_by(self, scale: Scale) -> Self:
        """The same, standardising by a scale."""
        return replace(self, scale=(tuple(scale.mean.tolist()), tuple(scale.spread.tolist())))

    def follows(self, before: Self) -> bool:
        """Whether this may be asked after another: it differs in what was open then alone."""
        settled = (before.fill in (None, self.fill)) and (before.scale in (None, self.scale))
        return settled and replace(self, fill=before.fill, scale=before.scale) == before

    def of_table(self, data: Device | Table, least: int) -> Prepared:
        """Give a table as numbers.

        Args:
            data: a node's.
            least: of fewer patients nothing is told.

        Raises:
            FormatError: it is no table; its columns are not named, or one of many values is to have categories.
            UsageError: too few rows are left.
        """
        if not isinstance(data, Table):
            raise FormatError("a question about a table, where there is none")
        columns = dict(zip(data.columns, data.values.T, strict=True))
        roles = self.roles
        if roles is None or not {roles.outcome, *roles.features} <= set(columns):
            raise FormatError("a question about a table that does not name its columns")
        for name in roles.categories:
            if name not in columns or few_values(columns[name]) is None:
                raise FormatError("a question that has categories of a column of many values")
        return prepare(data, roles, self.missing, least)

    def unscaled(self, data: Device | Table, least: int) -> Device:
        """Give what a node has as a device, with the values as they are.

        Args:
            data: the node's.
            least: of fewer patients of a table nothing is told.

        Raises:
            FormatError, UsageError: as of `of_table`; or what fills in is of other columns.
        """
        if isinstance(data, Device):
            return data
        prepared = self.of_table(data, least)
        width = prepared.data.shape[1]
        fill = np.zeros(width) if self.fill is None else np.array(self.fill)
        if fill.shape != (width,):
            raise FormatError(f"{len(fill)} values to fill in, where a table has {width} columns")
        return prepared.filled(fill)

    def prepared(self, data: Device | Table, least: int) -> Device:
        """Give what a node has as a device that trains and tests.

        Args:
            data, least: as of `unscaled`.

        Raises:
            FormatError, UsageError: as of `unscaled`; or the scale is not known, or of other columns.
        """
        device = self.unscaled(data, least)
        if not isinstance(device, Hospital) or self.standardisation == "none":
            return device
        if self.standardisation == "local":
            return device.standardised_by(federated_scale([device.moments()]))
        if self.scale is None or {len(part) for part in self.scale} != {device.features}:
            raise FormatError("a question without the scale of all hospitals' columns")
        mean, spread = (np.array(part) for part in self.scale)
        return device.standardised_by(Scale(mean, spread))
