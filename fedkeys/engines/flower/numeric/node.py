"""What a node does when it is asked: say who it is, train, test.

In: a question to this node. Out: counts and sums, trained weights, figures. Laws: of a table each is over at least
as many patients as the node's settings say, and in one run of the same rows prepared in the same way, or the
difference of two would be one; a question that is refused is answered as an error with one sentence, which
Flower's own strategies count as a failed client, and the node's own log has the rest.
"""

import json
import zlib
from hashlib import blake2b

import numpy as np
from flwr.app import ConfigRecord, Context, Error, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from fedkeys.engines.flower.numeric.data import holding
from fedkeys.engines.flower.numeric.preparing import PREPARATION, Preparation
from fedkeys.engines.flower.numeric.wire import (
    ARRAYS,
    CORRECTION,
    EXAMPLES,
    METRICS,
    Task,
    config_in,
    figures_written,
    weights_in,
    weights_record,
)
from fedkeys.engines.flower.wire import Answering, answering, packed, said_in
from fedkeys.errors import FormatError, RefusedError
from fedkeys.fedavg.agreement import summary_of
from fedkeys.fedavg.clients import Device
from fedkeys.fedavg.hospitals import Hospital
from fedkeys.fedavg.tables import Table

_REFUSED = 0  # Flower's code of an error of no other kind
_SETTLED = "settled"  # how a table was prepared first, in what Flower keeps for the node until the run ends


def register(app: ClientApp) -> None:
    """Have a ClientApp answer what federated averaging asks."""
    app.query("roll")(refusing(roll))
    app.query("totals")(refusing(totals))
    app.query("moments")(refusing(moments))
    app.train()(refusing(train))
    app.evaluate()(refusing(evaluate))


def refusing(answer: Answering) -> Answering:
    """Have a failure told as an error, which Flower's own strategies count as a failed client."""
    return answering(answer, lambda failure: Error(_REFUSED, failure))


def roll(message: Message, context: Context) -> Message:
    """Say who this is, and what the others need to know of its data before the first round."""
    outcome = str(said_in(message).facts.get("outcome", "")) or None
    place, data, least = holding(context)
    said: dict[str, bool | int | float | str | bytes] = {"name": data.name, "place": place}
    if isinstance(data, Table):
        said["summary"] = json.dumps(summary_of(data, outcome, least)._asdict())
    else:
        said |= {"samples": data.samples, "features": data.features}
        if isinstance(data, Hospital):
            said["moments"] = _moments(data)
    return Message(packed(said), reply_to=message)


def totals(message: Message, context: Context) -> Message:
    """Tell sums and counts of a table's columns, for what is missing."""
    preparation = Preparation.from_json(str(said_in(message).facts.get(PREPARATION, "")))
    _, data, least = holding(context)
    _settle(context, data, preparation)
    prepared = preparation.of_table(data, least)
    sums, counts = prepared.totals()
    return Message(
        packed({"sums": json.dumps(sums.tolist()), "counts": json.dumps(counts.tolist())}), reply_to=message
    )


def moments(message: Message, context: Context) -> Message:
    """Tell count, means and squared deviations of a hospital's columns."""
    preparation = Preparation.from_json(str(said_in(message).facts.get(PREPARATION, "")))
    _, data, least = holding(context)
    _settle(context, data, preparation)
    hospital = preparation.unscaled(data, least)
    if not isinstance(hospital, Hospital):
        raise FormatError("a question about a hospital, where there is none")
    return Message(packed({"moments": _moments(hospital)}), reply_to=message)


def train(message: Message, context: Context) -> Message:
    """Train from the server's weights."""
    task = Task.read(config_in(message))
    device = _device(message, context)
    model = task.model_of(device.features)
    start = weights_in(message, ARRAYS)
    correction = weights_in(message, CORRECTION) if CORRECTION in message.content.array_records else None
    if {len(start), model.size if correction is None else len(correction)} != {model.size}:
        raise FormatError(f"{len(start)} weights for a model of {model.size}")
    rng = np.random.default_rng(task.generator or [task.round, zlib.crc32(device.name.encode())])
    own = device.train(model, start, task.local, task.round, rng, correction)
    with np.errstate(over="ignore", invalid="ignore"):
        reached = device.evaluate(model.with_weights(own))
    figures = {EXAMPLES: device.samples, "train-loss": reached["loss"], "train-score": reached["score"]}
    content = RecordDict({ARRAYS: weights_record(own), METRICS: MetricRecord(figures)})
    return Message(content, reply_to=message)


def evaluate(message: Message, context: Context) -> Message:
    """Tell how a model does on what this node tests on."""
    task = Task.read(config_in(message))
    device = _device(message, context)
    model = task.model_of(device.features)
    weights = weights_in(message, ARRAYS)
    if len(weights) != model.size:
        raise FormatError(f"{len(weights)} weights for a model of {model.size}")
    loaded = model.with_weights(weights)
    figures = {**figures_written(device.test(loaded)), "loss": device.test_loss(loaded)}
    return Message(RecordDict({METRICS: MetricRecord(figures)}), reply_to=message)


def _device(message: Message, context: Context) -> Device:
    preparation = config_in(message).get(PREPARATION)
    _, data, least = holding(context)
    how = Preparation.from_json(str(preparation)) if preparation else Preparation()
    _settle(context, data, how)
    return how.prepared(data, least)


def _settle(context: Context, data: Device | Table, preparation: Preparation) -> None:
    """Hold to how a table was prepared first in this run; what was open then may be settled now.

    Raises:
        RefusedError: it would be prepared in another way, or is another table by now.
    """
    if not isinstance(data, Table):
        return
    records, table = context.state.config_records, blake2b(data.values.tobytes(), digest_size=16).hexdigest()
    before = records.get(_SETTLED)
    if before is not None and (
        before["table"] != table or not preparation.follows(Preparation.from_json(str(before[PREPARATION])))
    ):
        raise RefusedError("a question about other rows of a table than before in the run, or other values")
    records[_SETTLED] = ConfigRecord({"table": table, PREPARATION: preparation.to_json()})


def _moments(hospital: Hospital) -> str:
    patients, means, deviations = hospital.moments()
    return json.dumps([patients, means.tolist(), deviations.tolist()])
