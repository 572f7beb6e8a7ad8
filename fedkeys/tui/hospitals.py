"""The hospitals screen: one model trained together, and no patient's row leaves its hospital.

In: choices. Out: accuracy on each hospital's own tests, round by round, beside each alone and all data pooled.
Law: what it runs is the scenario of `fedkeys fedavg hospitals`.
"""

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Footer, ProgressBar, Static
from textual.worker import get_current_worker
from textual_plot import HiResMode, PlotWidget

from fedkeys.errors import FedkeysError
from fedkeys.fedavg import SecureMean
from fedkeys.fedavg.comparison import Comparison, compare
from fedkeys.fedavg.hospitals import Hospital
from fedkeys.fedavg.scenarios import algorithm_named, five_hospitals, standardised
from fedkeys.tui.nav import Nav

if TYPE_CHECKING:
    from fedkeys.tui.app import TypingApp

_ROUNDS = (20, 50, 100, 200)
_RATE, _ALPHA = 0.3, 0.1  # as `fedkeys fedavg hospitals`


class HospitalsScreen(Screen[None]):
    """Watch hospitals train one model together."""

    app: "TypingApp"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "train", "Train", id="train", tooltip="Train once more, on other data"),
        Binding("n", "rounds", "Rounds", id="rounds-of-hospitals", tooltip="How many rounds"),
        Binding("x", "secure", "Secure", id="secure-hospitals", tooltip="Updates summed under masks, or not"),
    ]

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Nav("hospitals")
        yield Static(id="how")
        yield ProgressBar(id="done", show_eta=False)
        yield Static(id="key")
        plot = PlotWidget(id="accuracy")
        plot.can_focus = False
        yield plot
        yield Static(id="hospitals")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Train once."""
        self._seed = -1
        self._rounds = 2
        self._secure = False
        self.action_train()

    def action_train(self) -> None:
        """Train once more."""
        self._seed += 1
        self._begin()

    def action_rounds(self) -> None:
        """Train for another number of rounds."""
        self._rounds = (self._rounds + 1) % len(_ROUNDS)
        self._begin()

    def action_secure(self) -> None:
        """Sum updates up under masks, or not."""
        self._secure = not self._secure
        self._begin()

    def _begin(self) -> None:
        how = "summed under masks" if self._secure else "seen by the server, x: not under masks"
        self.query_one("#how", Static).update(
            Content(
                f"Five hospitals, logistic regression, {_ROUNDS[self._rounds]} rounds. What crosses: counts, "
                f"means, variances and weights, {how}. Never a row of a patient."
            )
        )
        self.query_one(ProgressBar).update(total=100, progress=0)
        self._train(_ROUNDS[self._rounds], self._secure, self._seed)

    @work(thread=True, exclusive=True)
    def _train(self, rounds: int, secure: bool, seed: int) -> None:
        worker = get_current_worker()

        def step(what: str, part: float) -> None:
            if worker.is_cancelled:
                raise _Cancelled
            weight, before = {"federated": (60, 0), "pooled": (10, 60), "alone": (30, 70)}[what]
            self.app.call_from_thread(self.query_one(ProgressBar).update, progress=before + weight * part)

        try:
            hospitals, what = five_hospitals(np.random.default_rng(seed))
            hospitals = standardised(hospitals, "federated")
            algorithm = algorithm_named(
                "logistic",
                hospitals[0].features,
                rate=_RATE,
                alpha=_ALPHA,
                secure=_mean() if secure else None,
            )
            comparison = compare(hospitals, algorithm, rounds, seed, step)
        except _Cancelled:
            return
        except FedkeysError as error:
            self.app.call_from_thread(self.query_one("#how", Static).update, Content(str(error)))
            return
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, comparison, hospitals, what)

    def _show(self, comparison: Comparison, hospitals: list[Hospital], what: str) -> None:
        plot = self.query_one(PlotWidget)
        plot.clear()
        numbers = [metrics.round for _, metrics in comparison.rounds]
        accuracy = [100 * value for value, _ in comparison.rounds]
        alone, pooled = 100 * comparison.alone.accuracy, 100 * comparison.pooled.accuracy
        least = min(*accuracy, alone, pooled)
        plot.set_ylimits(max(0.0, 5 * (least // 5)), 100)
        plot.set_xlimits(1, len(numbers))
        plot.set_xlabel("round")
        key: list[str | tuple[str, str]] = []
        for name, values, style in (
            (f"T together {accuracy[-1]:.1f} %", accuracy, "green"),
            (f"A each alone {alone:.1f} %", [alone] * len(numbers), "red"),
            (f"P pooled, which nobody may {pooled:.1f} %", [pooled] * len(numbers), "cyan"),
        ):
            plot.plot(numbers, values, line_style=style, hires_mode=HiResMode.BRAILLE)
            plot.scatter(
                numbers[:: max(1, len(numbers) // 4)], values[:: max(1, len(numbers) // 4)], name[0], style
            )
            key += [(name[:1], style), f"{name[1:]}   "]
        self.query_one("#key", Static).update(Content.assemble(*key))
        lines = [f"{'':<8} {'patients':>8} {'together':>9} {'alone':>9}   accuracy on its own tests"]
        for hospital in hospitals:
            together, own = (
                way.clients[hospital.name].accuracy for way in (comparison.federated, comparison.alone)
            )
            lines.append(f"{hospital.name:<8} {hospital.samples:>8,} {together:>9.1%} {own:>9.1%}")
        self.query_one("#hospitals", Static).update(Content("\n".join([*lines, what])))


class _Cancelled(Exception):
    """Training was begun anew."""


def _mean() -> SecureMean:
    from fedkeys.simulate.masked import masked_sum

    return SecureMean(masked_sum)
