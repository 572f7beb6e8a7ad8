"""Draw README's pictures of the screens: `python -m tests.picture` writes `docs/typing.svg` and others."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np

from fedkeys import Keyboard
from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.phone import PersonalModel, Prior
from fedkeys.simulate import Federation, Plan
from fedkeys.sources import open_corpus, shipped_corpus
from fedkeys.tui import Desk, TypingApp

PHONE = "nurse"
TYPED = [*"On my way", "enter", *"See you to", "tab", *"at ", *"the ca", "tab", "enter", *"Can you let m"]
ROUNDS = 12


async def type_(pilot: Any) -> None:
    await pilot.press(*("space" if key == " " else key for key in TYPED))


async def federate(pilot: Any) -> None:
    await pilot.press("f6")
    while "s takes one" not in str(pilot.app.screen.query_one("#said").content):
        await pilot.pause(0.1)
    await pilot.press("d", "space")
    while len(pilot.app.screen._run.rounds) < ROUNDS:
        await pilot.pause(0.1)


async def look(pilot: Any) -> None:
    await pilot.press("f7", "left")
    await pilot.pause(3)


async def compare(pilot: Any) -> None:
    await pilot.press("f8", "f3", "f3")
    await pilot.pause(1)
    await pilot.press("f2")
    await pilot.pause(8)


PICTURES: dict[str, Callable[[Any], Awaitable[None]]] = {
    "typing": type_,
    "federation": federate,
    "attack": look,
    "compare": compare,
}


async def draw(directory: Path) -> None:
    corpus = open_corpus(shipped_corpus())
    plan = Plan(rounds=3, bounds=DEFAULT_BOUNDS)
    *_, last = Federation(corpus, plan, np.random.default_rng(0)).run()
    assert last.model is not None
    texts = next(texts for name, texts in corpus.phones() if name == PHONE)
    for name, show in PICTURES.items():
        personal = PersonalModel()
        for text in texts:
            personal.learn(text)
        keyboard = Keyboard(last.model, personal, Prior.load())
        desk = Desk(keyboard, PHONE, texts, corpus, str(shipped_corpus()))
        app = TypingApp(desk)
        async with app.run_test(size=(100, 30)) as pilot:
            await show(pilot)
            await pilot.pause()
            picture = app.export_screenshot(title="fedkeys")
            (directory / f"{name}.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(draw(Path(__file__).parents[1] / "docs"))
