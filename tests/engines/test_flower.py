"""The keyboard's rounds on Flower: the same payload, nothing lost, nothing counted twice."""

import copy
import json
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flwr")
pytestmark = pytest.mark.engines

from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict  # noqa: E402

from fedkeys.delta import DEFAULT_BOUNDS  # noqa: E402
from fedkeys.engines.flower import APP, client, node, server  # noqa: E402
from fedkeys.engines.flower.accounts import append_round, rounds_in  # noqa: E402
from fedkeys.engines.flower.keyboard import RoundAccount, Rounds  # noqa: E402
from fedkeys.engines.flower.settings import RoundPlan  # noqa: E402
from fedkeys.engines.flower.wire import packed, said_in  # noqa: E402
from fedkeys.errors import FedkeysError, UsageError  # noqa: E402
from fedkeys.model import Model  # noqa: E402
from fedkeys.simulate import Federation, Plan  # noqa: E402
from fedkeys.simulate.steps import STEPS  # noqa: E402
from fedkeys.sources import open_corpus, shipped_corpus  # noqa: E402
from tests.engines.grid import InProcessGrid  # noqa: E402

PHONES = 6
CROWD, FEW = 30, 18


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """A process reads its corpus once; each test has other processes."""
    node._phones.cache_clear()


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The first of the shipped phones."""
    directory = tmp_path / "corpus"
    directory.mkdir()
    for file in sorted(shipped_corpus().glob("*.txt"))[:PHONES]:
        (directory / file.name).write_bytes(file.read_bytes())
    return directory


def settings(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    """The settings of a run: the defaults, and what a test changes."""
    defaults = tomllib.loads((APP / "pyproject.toml").read_text())["tool"]["flwr"]["app"]["config"]
    given = {name.replace("_", "-"): value for name, value in changes.items()}
    assert given.keys() <= defaults.keys()
    quick = {"keep": str(tmp_path / "server"), "wait": 0.0, "deadline": 30.0, "seed": 0}
    return {**defaults, **quick, **given}


def nodes(tmp_path: Path, texts: Path, /, **own: Any) -> dict[int, dict[str, Any]]:
    """Settings of as many nodes as the corpus has phones, numbered as Flower does: by chance, below 2^64."""
    return {
        (at + 1) * 0x9E3779B97F4A7C15 % (1 << 64): {
            "corpus": str(texts),
            "partition-id": at,
            "keep": str(tmp_path / "nodes" / str(at)),
            "spread": True,
            "least-messages": 1,
            **own,
        }
        for at in range(len(list(texts.glob("*.txt"))))
    }


def unspread(grid: InProcessGrid) -> None:
    """From now on phones count all that they have."""
    for context in grid.contexts.values():
        context.node_config["spread"] = False


def made(grid: InProcessGrid, config: Mapping[str, Any], rounds: int | None = None) -> list[RoundAccount]:
    """Make rounds, all or so many; then the server's process ends."""
    rounds_ = Rounds(grid, RoundPlan.read(config))
    try:
        found = []
        for account in rounds_.run():
            found.append(account)
            if len(found) == rounds:
                break
        return found
    finally:
        rounds_.close()


def payloads(accounts: list[RoundAccount]) -> list[str]:
    return [account.payload for account in accounts]


def simulated(corpus: Path, plan: Plan) -> list[str]:
    """The payloads of the same federation on one machine."""
    federation = Federation(open_corpus(corpus), plan, np.random.default_rng(0))
    try:
        return [round_.model.payload_digest.hex() for round_ in federation.run() if round_.model]
    finally:
        federation.aggregator.close()


def test_the_payload_of_each_round_is_that_of_one_machine(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    accounts = made(grid, settings(tmp_path, rounds=3))
    assert payloads(accounts) == simulated(corpus, Plan(rounds=3, bounds=DEFAULT_BOUNDS))
    assert [account.merged for account in accounts] == [PHONES] * 3
    assert Model.load(tmp_path / "server" / "3.model").payload_digest.hex() == accounts[-1].payload


def test_without_bounds_and_pruned_too(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus, unbounded=True))
    accounts = made(grid, settings(tmp_path, rounds=2, bounded=False, prune=50, order=3))
    assert payloads(accounts) == simulated(corpus, Plan(rounds=2, prune=50, order=3))


def test_phones_hear_in_another_run_what_became_of_what_they_sent(tmp_path: Path, corpus: Path) -> None:
    """Nobody has to send again what was merged in the last round of a run."""
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    made(grid, settings(tmp_path, rounds=2))
    unspread(grid)
    (account,) = made(grid, settings(tmp_path, rounds=3))
    assert (account.known, account.idle) == (0, PHONES)


def test_without_what_the_server_knew_phones_send_again_and_count_once(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    made(grid, settings(tmp_path, rounds=2))
    (tmp_path / "server" / "fates.json").unlink()
    unspread(grid)
    again, after = made(grid, settings(tmp_path, rounds=4))
    assert (again.known, again.merged, after.idle) == (PHONES, 0, PHONES)


@pytest.mark.parametrize("lost", ["asked", "answered", "failed"])
def test_a_lost_node_sends_again_and_counts_once(tmp_path: Path, corpus: Path, lost: str) -> None:
    """Questions, answers and nodes are lost by chance; in the end all is as if none had been.

    Without bounds: what fits a bounded delta depends on the words that its phone knows by then.
    """
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus, unbounded=True, spread=False))
    chance = np.random.default_rng(1)
    grid.fault = lambda _, kind: lost if kind == "query.count" and chance.random() < 0.4 else None
    config = settings(tmp_path, rounds=8, min_phones=1, deadline=0.5, bounded=False)
    accounts = made(grid, config)
    grid.fault = lambda *_: None
    accounts += made(grid, {**config, "rounds": 9, "deadline": 30.0})
    expected = simulated(corpus, Plan(min_phones=1))
    assert payloads(accounts)[-1] == expected[-1]
    assert sum(account.merged for account in accounts) == PHONES
    assert any(account.lost or account.failed for account in accounts)


def test_a_killed_server_loses_nothing_and_counts_nothing_twice(tmp_path: Path, corpus: Path) -> None:
    """It ends in the middle of a round, after some uploads came; what they said comes again."""
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    config = settings(tmp_path, rounds=3)

    class Killed(Exception):
        pass

    def kill(*_: object) -> None:
        if len([None for kind, _ in grid.kinds if kind == "query.count"]) == PHONES + 4:
            raise Killed

    grid.fault = kill
    with pytest.raises(Killed):
        made(grid, config)
    grid.fault = lambda *_: None
    accounts = made(grid, config)
    assert [account.round for account in accounts] == [2, 3]
    assert payloads(accounts) == simulated(corpus, Plan(rounds=3, bounds=DEFAULT_BOUNDS))[1:]


def test_a_killed_node_goes_on_from_what_it_wrote_down(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    config = settings(tmp_path, rounds=3)
    first = made(grid, config, rounds=1)
    for number in grid.contexts:
        grid.restart(number)
    accounts = first + made(grid, config)
    assert payloads(accounts) == simulated(corpus, Plan(rounds=3, bounds=DEFAULT_BOUNDS))


def test_a_cohort_is_asked_and_a_round_waits_for_enough(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    (account,) = made(grid, settings(tmp_path, cohort=4))
    assert (account.available, account.sampled, account.merged) == (PHONES, 4, 4)
    (account,) = made(grid, settings(tmp_path / "other", min_available=PHONES + 1))
    assert (account.sampled, account.payload) == (0, "")
    assert account.failures == [
        "the round did not start: 6 nodes were there after 0 s, where 7 have to be (min-available)"
    ]


def test_signed_phones_alone_take_part(tmp_path: Path, corpus: Path) -> None:
    from fedkeys.delta.keys import PhoneKey

    own = nodes(tmp_path, corpus)
    keys, enrolled = tmp_path / "keys", tmp_path / "enrolled"
    keys.mkdir()
    enrolled.mkdir()
    for at, config in enumerate(own.values()):
        key = PhoneKey.draw()
        (keys / f"{at}.key").write_bytes(key.to_pem())
        config["key"] = str(keys / f"{at}.key")
        if at:
            (enrolled / f"{key.public.fingerprint}.pub").write_bytes(key.public.to_pem())
    grid = InProcessGrid(client.app, own)
    (account,) = made(grid, settings(tmp_path, enrolled=str(enrolled)))
    assert (account.merged, account.refused) == (PHONES - 1, 1)
    assert "not enrolled" in account.failures[0]


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """Phones enough for two sums, each with some messages of a shipped phone."""
    return _crowd(tmp_path / "crowd", CROWD)


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """Phones enough for one sum."""
    return _crowd(tmp_path / "few", FEW)


def _crowd(directory: Path, phones: int) -> Path:
    directory.mkdir()
    files = sorted(shipped_corpus().glob("*.txt"))
    lines = [line for file in files for line in file.read_text().splitlines() if line]
    for at in range(phones):
        (directory / f"{at:02}.txt").write_text("\n".join(lines[20 * at : 20 * at + 20]) + "\n")
    return directory


def enrolled(tmp_path: Path, own: Mapping[int, dict[str, Any]]) -> str:
    """Give each node a key, and the directory of all public ones."""
    from fedkeys.delta.keys import PhoneKey

    public = tmp_path / "enrolled"
    public.mkdir()
    for config in own.values():
        key = PhoneKey.draw()
        keep = Path(config["keep"])
        keep.mkdir(parents=True, exist_ok=True)
        (keep / "phone.key").write_bytes(key.to_pem())
        (public / f"{key.public.fingerprint}.pub").write_bytes(key.public.to_pem())
        config["known"] = str(public)
    return str(public)


def test_sums_that_nobody_sees_into_give_the_same_payload(tmp_path: Path, crowd: Path) -> None:
    """Two rounds, two sums in each; every phone sends its five messages a round, and no delta."""
    own = nodes(tmp_path, crowd)
    grid = InProcessGrid(client.app, own)
    config = settings(tmp_path, rounds=2, together=15, enrolled=enrolled(tmp_path, own))
    accounts = made(grid, config)
    assert payloads(accounts) == simulated(crowd, Plan(rounds=2, bounds=DEFAULT_BOUNDS))
    assert [account.merged for account in accounts] == [CROWD] * 2
    assert {kind for kind, _ in grid.kinds} == {f"query.{step.name.lower()}" for step in STEPS}


@pytest.mark.parametrize("step", ["keys", "boxes", "masked", "confirmations", "shares"])
def test_a_sum_goes_on_without_those_who_are_lost_at_a_step(tmp_path: Path, few: Path, step: str) -> None:
    """They send what they have in the next round, but for those whose vector is in the sum already."""
    own = nodes(tmp_path, few, unbounded=True, spread=False)
    grid = InProcessGrid(client.app, own)
    lost = set(list(own)[::5])
    grid.fault = lambda node, kind: "asked" if node in lost and kind == f"query.{step}" else None
    config = settings(
        tmp_path,
        rounds=2,
        together=FEW,
        enrolled=enrolled(tmp_path, own),
        bounded=False,
        deadline=1.5,
    )
    accounts = made(grid, config, rounds=1)
    is_in = step in ("confirmations", "shares")
    assert accounts[0].merged == FEW - (0 if is_in else len(lost))
    assert accounts[0].lost == (0 if is_in else len(lost))
    grid.fault = lambda *_: None
    accounts += made(grid, {**config, "rounds": 3, "deadline": 30.0})
    last = accounts[-1]
    assert last.payload == simulated(few, Plan(bounds=None))[-1] if is_in else last.merged == 0


def test_a_sum_for_which_nobody_has_anything_new_is_no_failure(tmp_path: Path, few: Path) -> None:
    own = nodes(tmp_path, few, spread=False)
    grid = InProcessGrid(client.app, own)
    first, second = made(grid, settings(tmp_path, rounds=2, together=FEW, enrolled=enrolled(tmp_path, own)))
    assert (first.merged, second.merged, second.idle) == (FEW, 0, FEW)
    assert second.failures == []


def test_a_node_that_forgets_a_run_is_lost_to_it_and_sends_later(tmp_path: Path, few: Path) -> None:
    own = nodes(tmp_path, few)
    grid = InProcessGrid(client.app, own)
    killed = min(own)

    def forget(node: int, kind: str) -> None:
        if (node, kind) == (killed, "query.masked"):
            grid.restart(node)

    grid.fault = forget  # type: ignore[assignment]
    config = settings(tmp_path, rounds=1, together=FEW, enrolled=enrolled(tmp_path, own))
    (account,) = made(grid, config)
    assert (account.merged, account.lost) == (FEW - 1, 1)
    assert "a run that this phone is in no more" in account.failures


def test_a_run_of_too_few_comes_to_nothing_and_loses_nothing(tmp_path: Path, few: Path) -> None:
    own = nodes(tmp_path, few, unbounded=True, spread=False)
    grid = InProcessGrid(client.app, own)
    lost = set(list(own)[::2])
    grid.fault = lambda node, kind: "asked" if node in lost and kind == "query.boxes" else None
    config = settings(
        tmp_path,
        rounds=1,
        together=FEW,
        enrolled=enrolled(tmp_path, own),
        bounded=False,
        deadline=1.5,
    )
    (account,) = made(grid, config)
    assert (account.merged, account.failed) == (0, FEW)
    grid.fault = lambda *_: None
    (account,) = made(grid, {**config, "rounds": 2, "deadline": 30.0})
    assert account.merged == FEW
    assert account.payload == simulated(few, Plan())[0]


def test_a_sum_that_cannot_be_read_is_made_again_of_the_same_phones(
    tmp_path: Path, few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it comes through the second time; where it does not, what its phones counted is spent."""
    from fedkeys.aggregator import cohorts
    from fedkeys.errors import RefusedError

    own = nodes(tmp_path, few)
    grid = InProcessGrid(client.app, own)
    spoilt = iter([True, False, True, True])
    read = cohorts.read_table

    def spoiling(*args: Any) -> Any:
        if next(spoilt):
            raise RefusedError("a sum that cannot be read")
        return read(*args)

    monkeypatch.setattr(cohorts, "read_table", spoiling)
    config = settings(tmp_path, rounds=2, together=FEW, enrolled=enrolled(tmp_path, own))
    first, second = made(grid, config)
    assert (first.merged, first.spent) == (FEW, 0)
    assert (second.merged, second.spent) == (0, FEW)
    unspread(grid)
    (third,) = made(grid, {**config, "rounds": 3})
    assert (third.merged, third.idle) == (0, FEW)  # what was spent is not counted again


@pytest.mark.parametrize(
    ("asked", "own", "said"),
    [
        ({"max_ngrams": 2001}, {}, "asked for more than it gives: ngrams"),
        ({"bounded": False}, {}, "asked for more than it gives"),
        ({"max_norm": 4097}, {}, "asked for more than it gives: norm"),
        ({"federation": "another"}, {}, "a node of the federation 'fedkeys'"),
        ({}, {"corpus": ""}, "does not say where its texts are"),
        ({}, {"partition-id": 99}, "there is no phone 99"),
        ({}, {"phone": "alice"}, "there is no phone of that name"),
        ({}, {"masked": True}, "sends nothing that can be seen alone"),
        ({}, {"known": "anywhere"}, "sends nothing that can be seen alone"),
        ({}, {"keep": ""}, "no place to remember"),
        ({}, {"corpus": "/nowhere/at/all"}, "no such corpus"),
        ({}, {"corpus": "/dev/null"}, "SourceError on a node"),
    ],
)
def test_a_node_gives_no_more_than_its_owner_allows(
    tmp_path: Path, corpus: Path, asked: dict[str, Any], own: dict[str, Any], said: str
) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus, **own))
    (account,) = made(grid, settings(tmp_path, **asked))
    assert (account.failed, account.merged) == (PHONES, 0)
    assert said in account.failures[0]
    assert str(tmp_path) not in account.failures[0]  # nothing of the node's own files is told


_X = b"x" * 16
NONSENSE: dict[str, RecordDict] = {
    "nothing": RecordDict(),
    "no token": packed({}, [b"x"]),
    "a text for a token": packed({"token": "seven"}, [b"x"]),
    "a number below 0": packed({"waiting": True, "token": _X, "sequence": -1, "pseudonym": _X}),
    "a short name": packed({"waiting": True, "token": _X, "sequence": 0, "pseudonym": b"x"}),
    "no delta": packed({"token": _X}, [b"nonsense"]),
    "nothing in it": packed({"token": _X}, [b""]),
    "too much": packed({"token": _X}, [bytes(200 << 20)]),
    "too many": packed({"token": _X}, [b"x"] * 5000),
    "a long lament": packed({"failure": "no! " * 100_000}),
    "other records": RecordDict({"fedkeys": ArrayRecord(), "messages": ConfigRecord()}),
}


@pytest.mark.parametrize("together", [0, CROWD])
def test_nodes_that_talk_nonsense_keep_no_other_out(tmp_path: Path, crowd: Path, together: int) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, crowd))
    for number, nonsense in zip(list(grid.contexts), NONSENSE.values(), strict=False):
        grid.instead[number] = lambda message, said=nonsense: Message(said, reply_to=message)
    (account,) = made(grid, settings(tmp_path, together=together))
    assert account.merged == CROWD - len(NONSENSE)
    assert len(account.failures) >= 5
    assert max(map(len, account.failures)) <= 600


def test_who_names_another_phone_takes_nothing_from_it(tmp_path: Path, few: Path) -> None:
    """A node that begins a sum in the name of another phone comes second, and the round goes on."""
    own = nodes(tmp_path, few)
    grid = InProcessGrid(client.app, own)
    *_, victim, thief = own

    def steal(message: Message) -> Message:
        reply = grid.app(message, grid.contexts[victim])
        return Message(reply.content, reply_to=message)

    grid.instead[thief] = steal
    (account,) = made(grid, settings(tmp_path, together=FEW))
    assert account.merged >= FEW - 2


def test_questions_at_once_are_no_more_than_one(tmp_path: Path, few: Path) -> None:
    """Flower answers each in a process of its own, with what the node had in its memory before: no step twice."""
    own = nodes(tmp_path, few)
    grid = InProcessGrid(client.app, own)
    again: list[tuple[str, str]] = []

    def answer(message: Message) -> Message:
        context = grid.contexts[message.metadata.dst_node_id]
        before = copy.deepcopy(context)
        reply = grid.app(message, context)
        second = grid.app(message, before).content.config_records["fedkeys"]
        again.append((message.metadata.message_type, str(second.get("failure"))))
        return reply

    grid.instead = dict.fromkeys(own, answer)
    (account,) = made(grid, settings(tmp_path, together=FEW))
    assert account.merged == FEW
    assert {kind for kind, _ in again} == {
        f"query.{s}" for s in ("keys", "boxes", "masked", "confirmations", "shares")
    }
    assert {said for kind, said in again if kind == "query.keys"} == {
        "a run that this phone has begun before"
    }
    assert all("a step that was taken" in said for kind, said in again if kind != "query.keys")


@pytest.mark.parametrize("fate", ["spent", "refused", "failed", "late"])
def test_no_fate_makes_a_phone_send_anew_what_it_has_sent_in_the_clear(
    tmp_path: Path, corpus: Path, fate: str
) -> None:
    """Else a server that lies would have one delta after the other of what the phone gives once in its life."""
    own = nodes(tmp_path, corpus)
    grid = InProcessGrid(client.app, own)
    said: dict[int, list[bytes]] = {}

    def answer(message: Message) -> Message:
        node = message.metadata.dst_node_id
        reply = grid.app(message, grid.contexts[node])
        said.setdefault(node, []).append(said_in(reply).messages[-1])
        token = said_in(reply).facts["token"]
        (tmp_path / "fates" / str(node)).write_text(token.hex())
        return reply

    (tmp_path / "fates").mkdir()
    grid.instead = dict.fromkeys(own, answer)
    made(grid, settings(tmp_path, rounds=2), rounds=1)
    told = {node: [(tmp_path / "fates" / str(node)).read_text(), fate] for node in own}
    (tmp_path / "server" / "fates.json").write_text(json.dumps(told))
    made(grid, settings(tmp_path, rounds=2))
    assert all(first == second for first, second in said.values())


def test_phones_that_vote_go_on_when_there_are_more_rounds(tmp_path: Path, corpus: Path) -> None:
    """Over how many rounds a phone spread its votes is part of what it remembers."""
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    made(grid, settings(tmp_path, rounds=2, max_norm=4096, max_count=512))
    (account,) = made(grid, settings(tmp_path, rounds=3, max_norm=4096, max_count=512))
    assert account.failures == []


@pytest.mark.parametrize("step", ["keys", "boxes", "masked", "confirmations", "shares", "merged"])
def test_a_server_killed_at_any_step_of_a_sum_leaves_no_phone_stuck(
    tmp_path: Path, few: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = nodes(tmp_path, few, spread=False)
    grid = InProcessGrid(client.app, own)
    config = settings(tmp_path, rounds=3, together=FEW)

    class Killed(Exception):
        pass

    def kill(*_: object) -> None:
        raise Killed

    if step == "merged":
        monkeypatch.setattr(Rounds, "_release", kill)
    else:
        grid.fault = lambda _, kind: (
            kill() if kind == f"query.{step}" and len(grid.kinds) % FEW == 9 else None
        )
    with pytest.raises(Killed):
        made(grid, config)
    monkeypatch.undo()
    grid.fault = lambda *_: None
    accounts = made(grid, config)
    assert sum(account.merged + account.known + account.spent for account in accounts) == FEW
    assert accounts[-1].idle == FEW
    if step in ("keys", "boxes", "masked", "confirmations", "merged"):
        assert not any(account.spent for account in accounts)


def test_a_line_that_a_kill_cut_short_spoils_no_other(tmp_path: Path) -> None:
    append_round(tmp_path, {"round": 1})
    with (tmp_path / "rounds.jsonl").open("a") as file:
        file.write('{"round": 2, "mer')
    assert rounds_in(tmp_path) == [{"round": 1}]
    append_round(tmp_path, {"round": 2})
    assert rounds_in(tmp_path) == [{"round": 1}, {"round": 2}]


def test_what_a_phone_remembers_is_for_its_owner_only(tmp_path: Path, corpus: Path) -> None:
    made(InProcessGrid(client.app, nodes(tmp_path, corpus)), settings(tmp_path, rounds=2))
    for home in (tmp_path / "nodes").iterdir():
        assert home.stat().st_mode & 0o77 == 0
        assert all(file.stat().st_mode & 0o77 == 0 for file in home.iterdir())


def test_nodes_that_are_simulated_have_all_their_settings_too(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"corpus": str(corpus), "keep": str(tmp_path / "nodes"), "unbounded": True, "least-messages": 1}
    monkeypatch.setenv(node.SETTINGS_VARIABLE, json.dumps(own))
    grid = InProcessGrid(client.app, {at: {"partition-id": at} for at in range(PHONES)})
    (account,) = made(grid, settings(tmp_path, bounded=False))
    assert account.merged == PHONES


def test_a_delta_counts_as_many_messages_as_its_owner_wants(tmp_path: Path, corpus: Path) -> None:
    """A server cannot ask so often that a delta is of one message."""
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus, **{"least-messages": 10}))
    config = settings(tmp_path, rounds=1000)
    accounts = made(grid, config, rounds=3)
    assert [account.idle for account in accounts] == [PHONES] * 3


def test_an_error_on_a_node_is_told_without_what_was_at_hand(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exceptions quote what they choke on, and Flower would send them on."""

    def choke(*_: object) -> None:
        raise ValueError("my secret message")

    monkeypatch.setattr(client, "type_for", choke)
    (account,) = made(InProcessGrid(client.app, nodes(tmp_path, corpus)), settings(tmp_path))
    assert account.failures == ["ValueError on a node, whose log says more"]


def test_a_node_whose_texts_changed_says_so(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    made(grid, settings(tmp_path, rounds=2), rounds=1)
    changed = sorted(corpus.glob("*.txt"))[0]
    changed.write_text("something else\n" + changed.read_text())
    node._phones.cache_clear()
    (account,) = made(grid, settings(tmp_path, rounds=2))
    assert account.failed == 1
    assert account.failures == ["the texts are not those of which deltas were sent"]


def test_what_leaves_a_node_holds_no_text(tmp_path: Path, corpus: Path) -> None:
    """Of a message only words that others have too leave it, never the message."""
    said: list[bytes] = []
    secret = "the quick brown fox 5551234567 jumps"
    first = sorted(corpus.glob("*.txt"))[0]
    first.write_text(first.read_text() + secret + "\n")
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    answer = grid._answer

    def listening(*args: Any) -> Any:
        reply = answer(*args)
        said.extend(
            array.data for record in reply.content.array_records.values() for array in record.values()
        )
        said.append(
            json.dumps(
                {k: str(v) for r in reply.content.config_records.values() for k, v in r.items()}
            ).encode()
        )
        return reply

    grid._answer = listening  # type: ignore[method-assign]
    made(grid, settings(tmp_path))
    assert said
    lines = [line.encode() for file in corpus.glob("*.txt") for line in file.read_text().splitlines()]
    assert not any(
        line in data for data in said for line in [b"5551234567", *(line for line in lines if b" " in line)]
    )


def test_the_server_loads_no_text_code_and_the_command_line_no_engine() -> None:
    def loaded_by(code: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"],
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    found = loaded_by("import fedkeys.engines.flower.server")
    assert "fedkeys.aggregator" in found
    assert not [
        name for name in found if name.startswith(("fedkeys.phone", "fedkeys.sources", "fedkeys.simulate"))
    ]
    found = loaded_by("import fedkeys, fedkeys.cli.app")
    assert not {"flwr", "ray", "dask", "distributed", "fsspec"}.intersection(found)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"keep": ""}, "no place to be kept in"),
        ({"rounds": 0}, "rounds is 0"),
        ({"order": 5}, "order is 5"),
        ({"epsilon": 1.0}, "set max-norm"),
        ({"cohort": -1}, "cohort is -1"),
        ({"epsilon": -1.0, "max_norm": 4096}, "epsilon is -1"),
        ({"together": 14}, "choose 15 to"),
        ({"together": 15, "cohort": 14}, "want 15 phones or more, and a round asks 14"),
        ({"blocklist": "/nowhere"}, "nowhere"),
    ],
)
def test_wrong_settings_are_refused_before_anyone_is_asked(
    tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(FedkeysError, match=said):
        RoundPlan.read(settings(tmp_path, **wrong))


def test_rounds_that_are_made_are_not_made_again(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    config = settings(tmp_path, rounds=1)
    made(grid, config)
    with pytest.raises(UsageError, match="all 1 rounds are made"):
        made(grid, config)
    with pytest.raises(UsageError, match="all 1 rounds are made"):
        RoundPlan.read(config).check_kept()  # before anything is started


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"federation": "other"}, "federation fedkeys, not other"),
        ({"order": 3}, "order 4, not 3"),
        ({"bounded": False}, "bounded true, not false"),
        ({"max_ngrams": 100}, "max-ngrams 2000, not 100"),
        ({"max_norm": 4096}, "max-norm 0, not 4096"),
        ({"enrolled": "somewhere"}, "enrolled false, not true"),
    ],
)
def test_what_is_kept_is_gone_on_with_under_the_terms_that_it_was_begun_under(
    tmp_path: Path, corpus: Path, changes: dict[str, Any], said: str
) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    made(grid, settings(tmp_path))
    asked = len(grid.kinds)
    with pytest.raises(UsageError, match=f"was begun with {said}; ask for what was asked for"):
        made(grid, settings(tmp_path, rounds=2, **changes))
    assert len(grid.kinds) == asked


@pytest.mark.parametrize(("first", "then"), [("keyboard", "classifier"), ("classifier", "keyboard")])
def test_what_one_app_keeps_is_not_gone_on_with_by_another(
    tmp_path: Path, corpus: Path, first: str, then: str
) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    contexts = [
        Context(
            run_id=1,
            node_id=1,
            node_config={},
            state=RecordDict(),
            run_config=settings(tmp_path, app=name, scale="none"),
        )
        for name in (first, then)
    ]
    with suppress(FedkeysError):  # no node is there for a classifier
        server.main(grid, contexts[0])
    with pytest.raises(UsageError, match=f"was begun with app {first}, not {then}"):
        server.main(grid, contexts[1])
    assert f"not {then}" in (tmp_path / "server" / "failure").read_text()


def test_a_release_under_differential_privacy(tmp_path: Path, corpus: Path) -> None:
    grid = InProcessGrid(client.app, nodes(tmp_path, corpus))
    (account,) = made(grid, settings(tmp_path, epsilon=8.0, max_norm=4096, max_count=512))
    assert account.merged == PHONES
    assert account.epsilon is not None
    assert account.epsilon <= 8.0
