"""Draw README's picture of the typing screen: `python -m tests.picture` writes `docs/typing.svg`."""

import asyncio
from pathlib import Path

import numpy as np

from fedkeys import Keyboard
from fedkeys.delta import DEFAULT_BOUNDS
from fedkeys.phone import Prior
from fedkeys.simulate import Federation, Plan
from fedkeys.sources import open_corpus, shipped_corpus
from fedkeys.tui import TypingApp

PHONE = "nurse"
KEYS = [*"On my way", "enter", *"See you to", "tab", *"at ", *"the ca", "tab", "enter", *"Can you let m"]


async def draw(path: Path) -> None:
    corpus = open_corpus(shipped_corpus())
    plan = Plan(rounds=3, bounds=DEFAULT_BOUNDS)
    *_, last = Federation(corpus, plan, np.random.default_rng(0)).run()
    assert last.model is not None
    keyboard = Keyboard(last.model, prior=Prior.load())
    texts = next(texts for name, texts in corpus.phones() if name == PHONE)
    for text in texts:
        keyboard.learn(text)
    app = TypingApp(keyboard, PHONE, texts[-4:], clock=lambda: 0.0)  # typed at once
    async with app.run_test(size=(96, 28)) as pilot:
        await pilot.press(*("space" if key == " " else key for key in KEYS))
        await pilot.pause()
        path.write_text(app.export_screenshot(title="fedkeys"), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(draw(Path(__file__).parents[1] / "docs" / "typing.svg"))
