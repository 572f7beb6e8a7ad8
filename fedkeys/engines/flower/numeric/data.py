"""A node's own data: where it is, by the node's own settings.

In: the node's settings (`flower-supernode --node-config`); on a machine that simulates all nodes, an environment
variable that holds them as JSON. Out: a device, or a hospital's table. Law: which data are read is said on the
node's own machine and nowhere else.

    data                  path of one hospital's CSV, or of a directory with one CSV a hospital
    partition-id          the node's number: which file of a directory, by name, or which client of a scenario
    scenario              "classifier" or "hospitals": generated data, of which the node takes its own part
    seed                  of what is generated
    devices, samples, skew
                          of the scenario "classifier", as `fedkeys.fedavg.scenarios.classifier_devices` has them
    least-patients        of a table: nothing is told of fewer; 10 where nothing is said
"""

import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flwr.app import Context

from fedkeys.errors import UsageError
from fedkeys.fedavg.agreement import LEAST_PATIENTS
from fedkeys.fedavg.clients import Device
from fedkeys.fedavg.scenarios import classifier_devices, five_hospitals
from fedkeys.fedavg.tables import Table, read_table, table_files

SETTINGS_VARIABLE = "FEDKEYS_FLOWER_DATA"


class Holding(NamedTuple):
    """What a node has.

    Attributes:
        place: its number, by which clients are ordered; names order those of one number.
        data: its data.
        least: of fewer patients of a table nothing is told.
    """

    place: int
    data: Device | Table
    least: int


def holding(context: Context) -> Holding:
    """Read the data of the node that a message came to.

    Raises:
        UsageError: its settings name none, or a part that is not there.
        SourceError: a table cannot be read.
    """
    settings = {**json.loads(os.environ.get(SETTINGS_VARIABLE, "{}")), **context.node_config}
    place, least = _whole(settings, "partition-id", 0), _whole(settings, "least-patients", LEAST_PATIENTS)
    if least < 1:
        raise UsageError(f"least-patients of the node is {least}", remedy="choose 1 or more")
    if settings.get("data"):
        return Holding(place, _table(Path(str(settings["data"])), place), least)
    if not settings.get("scenario"):
        raise UsageError(
            "the node does not say where its data are", remedy="set data or scenario in --node-config"
        )
    clients = _generated(str(settings["scenario"]), _numbers(settings))
    if not 0 <= place < len(clients):
        raise UsageError(f"there is no client {place} among {len(clients)}", remedy="start fewer nodes")
    return Holding(place, clients[place], least)


def _table(path: Path, place: int) -> Table:
    if not path.is_dir():
        return read_table(path)
    files = table_files(path)
    if not 0 <= place < len(files):
        raise UsageError(
            f"there is no table {place} among {len(files)}", file=path, remedy="start fewer nodes"
        )
    return read_table(files[place])


class _Numbers(NamedTuple):
    """What a scenario is generated from."""

    seed: int
    devices: int
    samples: int
    skew: float


def _numbers(settings: Mapping[str, Any]) -> _Numbers:
    skew = settings.get("skew", 1.0)
    if not isinstance(skew, (int, float)):
        raise UsageError("skew of the node is no number", remedy="set it in --node-config without quotes")
    return _Numbers(
        _whole(settings, "seed", 0), _whole(settings, "devices", 20), _whole(settings, "samples", 60), skew
    )


def _whole(settings: Mapping[str, Any], name: str, usual: int) -> int:
    found = settings.get(name, usual)
    if type(found) is not int:
        raise UsageError(
            f"{name} of the node is no whole number", remedy="set it in --node-config without quotes"
        )
    return found


@lru_cache(maxsize=1)
def _generated(scenario: str, numbers: _Numbers) -> Sequence[Device]:
    """Generate all clients, since one draw follows another; where one process stands for many, once for all."""
    rng = np.random.default_rng(numbers.seed)
    match scenario:
        case "classifier":
            return classifier_devices(numbers.devices, numbers.samples, numbers.skew, rng)
        case "hospitals":
            return five_hospitals(rng)[0]
    raise UsageError(f"no scenario is named {scenario!r}", remedy="choose classifier or hospitals")
