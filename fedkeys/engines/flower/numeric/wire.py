"""What train and evaluate messages hold, in the records that Flower's own strategies send and expect.

In: weights, how to train, figures. Out: records, and back. Law: what does not come as it
should is refused with a sentence.

    arrays        one array of float64, the weights
    config        how to train (`Task`) and how data are prepared (`preparing`)
    correction    one array of float64, where SCAFFOLD corrects a client's gradients
    metrics       figures of the answer, `num-examples` among them
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

import numpy as np
from flwr.app import Array as FlowerArray
from flwr.app import ArrayRecord, ConfigRecord, Message

from fedkeys.errors import FormatError
from fedkeys.fedavg.figures import Figures
from fedkeys.fedavg.local import LocalTraining, Schedule
from fedkeys.fedavg.models import Model
from fedkeys.fedavg.models.base import Array
from fedkeys.fedavg.scenarios import ModelName, model_named

ARRAYS, CONFIG, CORRECTION, METRICS = "arrays", "config", "correction", "metrics"
EXAMPLES = "num-examples"
ROUND, GENERATOR, PROXIMAL = "server-round", "generator", "proximal-mu"
_WEIGHTS = "weights"
FAULTS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)


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
        except FAULTS as error:
            raise FormatError(f"a question that does not say how to train ({error})") from None

    def model_of(self, features: int) -> Model:
        """Give the model, untrained."""
        return model_named(self.model, features, self.alpha, self.rate)


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
    except FAULTS as error:
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
