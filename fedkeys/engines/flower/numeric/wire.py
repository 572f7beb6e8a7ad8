"""What train and evaluate messages hold, in the records that Flower's own strategies send and expect.

In: weights, how to train, how to prepare data, figures. Out: records, and back. Law: what does not come as it
should is refused with a sentence.

    arrays        one array of float64, the weights
    config        how to train (`Task`) and how data are prepared (`Preparation`)
    correction    one array of float64, where SCAFFOLD corrects a client's gradients
    metrics       figures of the answer, `num-examples` among them
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self, cast

import numpy as np
from flwr.app import Array as FlowerArray
from flwr.app import ArrayRecord, ConfigRecord, Message

from fedkeys.errors import FormatError
from fedkeys.fedavg.agreement import Roles, few_values
from fedkeys.fedavg.clients import Device
from fedkeys.fedavg.figures import Figures
from fedkeys.fedavg.hospitals import Hospital, Scale, federated_scale
from fedkeys.fedavg.local import LocalTraining, Schedule
from fedkeys.fedavg.models import Model
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.preparation import Missing, Prepared, prepare
from fedkeys.fedavg.scenarios import ModelName, Standardisation, model_named
from fedkeys.fedavg.tables import Table

ARRAYS, CONFIG, CORRECTION, METRICS = "arrays", "config", "correction", "metrics"
EXAMPLES = "num-examples"
ROUND, GENERATOR, PROXIMAL = "server-round", "generator", "proximal-mu"
PREPARATION = "preparation"
_WEIGHTS = "weights"
_FAULTS = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class Task:
    """What a client is asked to train.

    Attributes:
        model: its name, as `fedkeys.fedavg.scenarios.model_named` has it.
        alpha, rate: its penalty, and its rate where it steps by itself.
        local: how it is trained.
        round: the round's number, from 0.
        generator: what the client's generator begins with; none where nobody said.
    """

    model: ModelName
    alpha: float
    rate: float
    local: LocalTraining
    round: int = 0
    generator: tuple[int, ...] = ()

    def written(self) -> dict[str, Any]:
        """Give it as a config record holds it."""
        local = self.local
        return {
            "model": self.model,
            "alpha": self.alpha,
            "rate": self.rate,
            "epochs": local.epochs,
            "batch-size": local.batch_size or 0,
            "learning-rate": local.learning_rate,
            "schedule": local.schedule,
            "decay": local.decay,
            "horizon": local.horizon,
            PROXIMAL: local.proximal,
        }

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> Self:
        """Read it.

        Raises:
            FormatError: something is missing, or of another type.
        """
        try:
            local = LocalTraining(
                int(config["epochs"]),
                int(config["batch-size"]) or None,
                float(config["learning-rate"]),
                cast(Schedule, config["schedule"]),
                float(config["decay"]),
                int(config["horizon"]),
                float(config[PROXIMAL]),
            )
            return cls(
                cast(ModelName, str(config["model"])),
                float(config["alpha"]),
                float(config["rate"]),
                local,
                int(config.get(ROUND, 1)) - 1,
                tuple(map(int, config.get(GENERATOR, ()))),
            )
        except _FAULTS as error:
            raise FormatError(f"a question that does not say how to train ({error})") from None

    def model_of(self, features: int) -> Model:
        """Give the model, untrained."""
        return model_named(self.model, features, self.alpha, self.rate)


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
            roles, scale, fill = found["roles"], found["scale"], found["fill"]
            if roles is not None:
                categories = {name: tuple(map(float, own)) for name, own in roles["categories"].items()}
                names = tuple(map(str, roles["features"]))
                roles = Roles(str(roles["outcome"]), names, categories, tuple(roles["dropped"]))
            return cls(
                found["missing"],
                roles,
                None if fill is None else tuple(map(float, fill)),
                found["standardisation"],
                None if scale is None else (tuple(map(float, scale[0])), tuple(map(float, scale[1]))),
            )
        except _FAULTS as error:
            raise FormatError(f"a question that does not say how data are prepared ({error})") from None

    def scaled_by(self, scale: Scale) -> Self:
        """The same, standardising by a scale."""
        return replace(self, scale=(tuple(scale.mean.tolist()), tuple(scale.spread.tolist())))

    @property
    def rows(self) -> str:
        """What says which rows of a table count, and as what: where this differs, so may the rows."""
        return replace(self, fill=None, standardisation="none", scale=None).to_json()

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
            if name not in columns or few_values(columns[name], least) is None:
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


def weights_record(weights: Array) -> ArrayRecord:
    """Put weights into a record."""
    return ArrayRecord({_WEIGHTS: FlowerArray(np.ascontiguousarray(weights, dtype=float))})


def weights_in(message: Message, name: str | None = None) -> Array:
    """Give the weights in a message: float[P].

    Args:
        message: with content.
        name: of their record; None for the only one there is.

    Raises:
        FormatError: there is not one array of numbers.
    """
    records = message.content.array_records
    try:
        (record,) = records.values() if name is None else (records[name],)
        (array,) = record.values()
        found = array.numpy()
        if not isinstance(found, np.ndarray) or found.dtype != np.float64 or found.ndim != 1:
            raise TypeError("not one row of float64")
    except Exception as error:  # whatever numpy, or what it calls, makes of bytes that are no array
        raise FormatError(f"a message without one array of weights ({type(error).__name__})") from None
    return found


def config_in(message: Message) -> ConfigRecord:
    """Give the config of a message.

    Raises:
        FormatError: it has none.
    """
    records = message.content.config_records
    if CONFIG not in records:
        raise FormatError(f"a message {message.metadata.message_type!r} without the record {CONFIG!r}")
    return records[CONFIG]


def figures_written(figures: Figures) -> dict[str, float]:
    """Give figures as a metric record holds them."""
    named = figures._asdict()
    return {EXAMPLES: named.pop("samples"), **{name.replace("_", "-"): own for name, own in named.items()}}


def figures_in(message: Message) -> Figures:
    """Give the figures in a message.

    Raises:
        FormatError: it has none, or what cannot be one.
    """
    try:
        (record,) = message.content.metric_records.values()
        samples = whole(record[EXAMPLES], 1)
        accuracy, *rest = (float(record[name.replace("_", "-")]) for name in Figures._fields[1:])
        if not 0 <= accuracy <= 1 or any(part < 0 or part > 1 for part in rest):  # these may be NaN
            raise ValueError("they are no parts of 1")
    except _FAULTS as error:
        raise FormatError(f"an answer without figures ({error})") from None
    return Figures(samples, accuracy, *rest)


def whole(value: object, least: int = 0) -> int:
    """Give a value as a whole number.

    Raises:
        ValueError: it is none, below the least, or 2^48 or more.
    """
    if type(value) is not int or not least <= value < 1 << 48:
        raise ValueError("no whole number where one was expected")
    return value
