"""A phone's steps in a sum that nobody sees into, one a question.

In: a phone, and what the server tells it at a step. Out: what it says. Laws: the secrets of a run are in the
memory of the node's process, never on a disk, until the last step; a node that is started again is lost to the
run; what a phone may not do twice it writes down before it says anything, so that several questions at once, which
Flower answers in several processes, are no more than one.
"""

from typing import cast

from flwr.app import ConfigRecord, Context

from fedkeys.counts import Vocabulary
from fedkeys.delta.secure import RUN_SIZE, Step, Terms
from fedkeys.engines.flower.memory import Memory, base_in
from fedkeys.engines.flower.node import Node
from fedkeys.engines.flower.wire import Fact, Said
from fedkeys.errors import RefusedError
from fedkeys.phone.secure import SecurePhone
from fedkeys.phone.summed import summed

_RUN = "run"


def take_step(
    memory: Memory, node: Node, step: Step, asked: Said, context: Context
) -> tuple[list[bytes], dict[str, Fact]]:
    """Take a step of a run.

    Args:
        memory: the phone.
        node: its settings.
        step: which.
        asked: the question; at the first step it brings the last model, and later what the run's server says.
        context: has what is kept of the run between two steps.

    Returns:
        What the phone says, nothing if it has nothing new, or does not know what became of what it sent last; and
        its pseudonym and the number of its delta.
    """
    phone, name = memory.member.phone, asked.name("run", RUN_SIZE)
    about: dict[str, Fact] = {"pseudonym": phone.pseudonym, "sequence": phone.sequence, "token": memory.token}
    if step is not Step.KEYS:
        memory.check_step(name, step)
        run = _taken_up(memory, node, name, context)
        said = getattr(run, step.name.lower())(*asked.messages[:1])
    else:
        base = base_in(asked)
        pending = memory.member.record.pending
        if not memory.has_something:
            return [], about
        if pending is not None and pending.base != (b"" if base is None else base.reference):
            return [], {**about, "waiting": True}
        memory.begin_run(name)
        memory.begin(base, asked.whole("round"))
        about["token"] = memory.token
        run = _part(memory, node, name, base)
        said = run.keys()
    memory.took(step)
    if step is Step.SHARES:
        del context.state[_RUN]
    else:
        context.state[_RUN] = ConfigRecord({"run": name, "kept": run.kept()})
    return [said], about


def _taken_up(memory: Memory, node: Node, name: bytes, context: Context) -> SecurePhone:
    """Give a phone's part in the run that it is in.

    Raises:
        RefusedError: it is in none, or in another one.
    """
    kept = context.state.config_records.get(_RUN)
    phone = memory.member.phone
    if kept is None or kept["run"] != name or memory.member.record.pending is None:
        raise RefusedError("a run that this phone is in no more")
    phone.check_in(name)
    run = _part(memory, node, name, memory.base)
    run.take_up(cast(bytes, kept["kept"]))
    return run


def _part(memory: Memory, node: Node, name: bytes, base: Vocabulary | None) -> SecurePhone:
    words = base or Vocabulary([])
    return summed(memory.member.phone, words, Terms(name), node.key, node.phones())
