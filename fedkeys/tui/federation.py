"""The federation screen: rounds of the phones of a corpus, watched.

In: the desk, whose corpus takes part, and rules. Out: phone by phone what becomes of what they send, round by
round what was released and what it is worth; each release becomes the keyboard's model. Laws: rounds run in a
process of their own, which ends with this screen; a message that is being typed is not touched.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Footer, Static
from textual.worker import get_current_worker
from textual_plot import HiResMode, PlotWidget

from fedkeys.errors import FedkeysError
from fedkeys.evaluate.live import Setting, arguments
from fedkeys.model import Model
from fedkeys.phone import Keyboard
from fedkeys.tui.nav import Nav

if TYPE_CHECKING:
    from fedkeys.tui.app import TypingApp

_LONGEST_EVENT = 1 << 26  # bytes of one line
_ROUNDS = 12
_EPSILONS = (None, 10.0, 4.0, 1.0)
_SHOWN = 40  # rounds in the table

# What becomes of a phone: its mark, its colour beside it, and what it means.
_FATES = {
    "idle": ("·", "$text-muted", "not asked, or nothing new"),
    "asked": ("○", "$text", "asked"),
    "sent": ("◐", "$primary", "sent"),
    "merged": ("●", "$success", "merged"),
    "lost": ("×", "$warning", "dropped out"),
    "refused": ("!", "$error", "refused"),
}
_COLUMNS = ("round", "merged", "nothing new", "lost", "up", "down", "words", "n-grams", "top 3", "saved")
_DISPENSABLE = ("nothing new", "down", "lost", "n-grams", "up", "top 3", "words")  # the first to go first

_ALIKE = {"known": "merged", "late": "lost", "failed": "refused", "spent": "refused"}


@dataclass(slots=True)
class _Run:
    """A federation under way.

    Attributes:
        setting: how it began, and what was changed since.
        plays: whether rounds follow one another.
        busy: whether a round is under way; waits: whether one is to begin once the corpus is read.
        paused: whether it stands between two phones; is_over: whether it can never begin.
        rounds: accounts of those that are over.
    """

    setting: Setting
    plays: bool = False
    busy: bool = False
    waits: bool = False
    paused: bool = False
    is_over: bool = False
    rounds: list[dict[str, Any]] = field(default_factory=list)


class FederationScreen(Screen[None]):
    """Watch rounds of a federation, and change its rules."""

    app: "TypingApp"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "Start/pause", id="play", tooltip="Rounds follow one another, or stop"),
        Binding("s", "step", "One round", id="step", tooltip="Take one round"),
        Binding("r", "begin", "Anew", id="anew", tooltip="Begin a new federation under these rules"),
        Binding("c,C", "change('cohort')", "Cohort", id="cohort", tooltip="How many phones a round asks"),
        Binding(
            "m", "change('min_phones')", "Min phones", id="min-phones", tooltip="How many must have sent it"
        ),
        Binding("d", "change('dropout')", "Dropouts", id="dropout", tooltip="How many phones are lost"),
        Binding("e", "change('epsilon')", "Epsilon", id="epsilon", tooltip="Noise; begins anew"),
        Binding("x", "change('secure')", "Secure", id="secure", tooltip="Sums under masks; begins anew"),
    ]

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Nav("federation")
        yield Static(id="rules")
        with Horizontal(id="watch"):
            with Vertical(id="phones-side"):
                yield Static(id="phones-title", classes="heading")
                yield Static(id="grid")
                yield Static(_legend(), id="fates")
            with Vertical(id="curve-side"):
                yield Static("[b]On messages held back, %[/b]: o top 3, + keys saved;", classes="heading")
                yield Static("by everyone's words alone", classes="muted")
                plot = PlotWidget(id="curve")
                plot.can_focus = False
                yield plot
        yield Static(id="rounds")
        yield Static(id="said")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin a federation, whose rounds wait to be asked for."""
        self._directory = TemporaryDirectory(prefix="fedkeys-")
        self._process: asyncio.subprocess.Process | None = None
        self._started: list[asyncio.subprocess.Process] = []
        self._untold: list[dict[str, Any]] = []  # commands for a process that is being started
        self._fates: list[str] = []
        spec = self.app.desk.spec
        self._run = _Run(Setting(spec or "", self._directory.name, rounds=_ROUNDS))
        self._begin(self._run.setting)

    async def on_unmount(self) -> None:
        """End what was started, and wait for that."""
        self._end()
        for process in self._started:
            await process.wait()
        await asyncio.sleep(0)  # their pipes are told that they are closed
        self._directory.cleanup()

    def on_resize(self, _: Resize) -> None:
        """Draw what has another size now."""
        self.query_one(Footer).compact = True
        self.call_after_refresh(self._show)

    @property
    def rounds(self) -> Sequence[dict[str, Any]]:
        """What happened in the rounds that are over."""
        return self._run.rounds

    def on_screen_resume(self) -> None:
        """Show what has happened meanwhile."""
        self.call_after_refresh(self._show)

    def action_play(self) -> None:
        """Let rounds follow one another, or stop between two phones."""
        self._run.plays = not self._run.plays
        self._run.paused = self._run.busy and not self._run.plays
        if self._run.busy:
            self._tell(do="go" if self._run.plays else "pause")
        elif self._run.plays:
            self._ask()
        self._show()

    def action_step(self) -> None:
        """Take one round."""
        self._run.plays = self._run.paused = False
        if self._run.busy:
            self._tell(do="go")
        else:
            self._ask()
        self._show()

    def action_begin(self) -> None:
        """Begin anew under the rules that hold."""
        self._begin(self._run.setting)

    def action_change(self, what: str) -> None:
        """Take the next value of a rule: at once where that can be, or in a new federation."""
        setting = self._run.setting
        values = _values(len(self._fates))[what]
        now = getattr(setting, what)
        after = values[(values.index(now) + 1) % len(values)] if now in values else values[0]
        changed = replace(setting, **{what: after})
        if what == "min_phones" and setting.epsilon is not None:
            self._say("Under noise a threshold decides what is released, and no number of phones.")
            return
        if what in ("epsilon", "secure"):
            self._begin(changed)
            return
        self._run.setting = changed
        self._tell(do="change", **{what: after})
        self._show()

    def _begin(self, setting: Setting) -> None:
        self._end()
        self._untold.clear()
        self.workers.cancel_group(self, "model")
        self._fates = []
        self._run = _Run(setting)
        self.query_one(PlotWidget).clear()
        if not setting.corpus:
            self._say("There is no corpus whose phones could take part: start with fedkeys type --corpus.")
            return
        self._say("reading the corpus")
        self._show()
        self._watch(setting)

    def _end(self) -> None:
        # Once: to kill a process that has just ended would take its end from whoever waits for it.
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None

    @work(exclusive=True, group="federation")
    async def _watch(self, setting: Setting) -> None:
        """Start a process, and take what it tells."""
        process = await asyncio.create_subprocess_exec(
            *arguments(setting),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LONGEST_EVENT,
        )
        self._process = process
        self._started.append(process)
        for command in self._untold:
            self._tell(**command)
        self._untold.clear()
        assert process.stdout is not None
        assert process.stderr is not None
        async for line in process.stdout:
            self._take(json.loads(line))
        said = (await process.stderr.read()).decode(errors="replace").strip().splitlines()
        code = await process.wait()
        if self._process is process and not self._run.is_over:
            self._run.busy = self._run.plays = self._run.waits = self._run.paused = False
            self._run.is_over = True
            self._say(f"The federation has ended, r begins anew: {said[-1] if said else f'exit {code}'}")
            self._show()

    def _tell(self, **command: Any) -> None:
        if self._process is None:
            self._untold.append(command)
        elif self._process.stdin is not None and self._process.returncode is None:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def _ask(self) -> None:
        if self._run.is_over or not self._run.setting.corpus:
            self._run.plays = False
            return
        if len(self._run.rounds) == self._run.setting.rounds:
            self._run.plays = False
            self._say("All rounds are done; r begins anew.")
            return
        if not self._fates:
            self._run.waits = True
            return
        self._run.busy = True
        self._fates = ["idle"] * len(self._fates)
        self._tell(do="go")
        self._tell(do="round")

    def _take(self, event: dict[str, Any]) -> None:
        """Take an event of the process."""
        if "phones" in event:
            self._fates = ["idle"] * event["phones"]
            self._say("Space starts rounds, s takes one.")
            if self._run.waits:
                self._run.waits = False
                self._ask()
        for place, fate in event.get("fates", ()):
            self._fates[place] = _ALIKE.get(fate, fate)
        if "fates" in event:
            self._say_how_far()
            if self.is_current:  # who types elsewhere waits for nothing that is not shown
                self._show_phones()
            return
        if "error" in event:
            self._run.busy = self._run.plays = self._run.waits = False
            self._run.is_over = "fatal" in event
            self._say(event["error"])
        if "round" in event:
            self._take_round(event["round"])
        if self.is_current:
            self._show()

    def _say_how_far(self) -> None:
        count = Counter(self._fates)
        under_way = count["asked"] + count["sent"]
        told = ", ".join(
            f"{count[fate]:,} {_FATES[fate][2]}"
            for fate in ("asked", "sent", "merged", "lost")
            if count[fate]
        )
        then = "" if under_way else "; now it is released, and messages are replayed"
        self._say(f"Round {len(self._run.rounds) + 1}: {told or 'nobody has anything new'}{then}.")

    def _take_round(self, account: dict[str, Any]) -> None:
        self._run.busy = False
        self._run.rounds.append(account)
        if account.get("failure"):
            self._say(f"round {account['number']}: {account['failure']}")
        elif "model" in account:
            self._say(f"Round {account['number']} is released; the keyboard (F5) has it.")
            self._load(Path(account["model"]))
        else:
            self._say(f"Round {account['number']} did not start.")
        if self._run.plays:
            self._ask()

    @work(thread=True, exclusive=True, group="model")
    def _load(self, path: Path) -> None:
        try:
            model = Model.load(path)
            Keyboard(model).suggest("a")  # what is looked up once is looked up here, and no key waits for it
        except FedkeysError as error:
            self.app.call_from_thread(self._say, str(error))
            return
        if not get_current_worker().is_cancelled:  # a later release, or another federation
            self.app.call_from_thread(self.app.take_model, model)

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Content(text))

    def _show(self) -> None:
        self._show_rules()
        self._show_phones()
        self._show_rounds()
        self._show_curve()

    def _show_rules(self) -> None:
        setting = self._run.setting
        asked = "all" if setting.cohort is None else f"{setting.cohort:,}"
        rule = (
            f"[e]psilon {setting.epsilon:g} in all"
            if setting.epsilon is not None
            else f"at least [m]in {setting.min_phones} phones, no [e]psilon"
        )
        seen = "sums only, x: under masks" if setting.secure else "each delta, x: not under masks"
        one = "one round" if self._run.busy and not self._run.paused else "paused"
        state = "running" if self._run.plays else one
        self.query_one("#rules", Static).update(
            Content(
                f"{state}   [c]ohort {asked}   [d]ropouts {setting.dropout:.0%}   {rule}   "
                f"the aggregator sees {seen}"
            )
        )

    def _show_phones(self) -> None:
        grid = self.query_one("#grid", Static)
        width, height = grid.content_region.size
        phones, room = len(self._fates), max(1, width * height // 2)
        a_mark = max(1, -(-phones // room))
        of = "one mark a phone" if a_mark == 1 else f"one mark for {a_mark:,} phones"
        self.query_one("#phones-title", Static).update(Content.from_markup(f"[b]{phones:,} phones[/b], {of}"))
        # Of several phones the mark of most of them is shown.
        marks = [
            Counter(self._fates[at : at + a_mark]).most_common(1)[0][0] for at in range(0, phones, a_mark)
        ]
        grid.update(
            Content.assemble(*((f"{_FATES[fate][0]} ", _FATES[fate][1]) for fate in marks))
            if marks
            else Content("")
        )

    def _show_rounds(self) -> None:
        rows = [_COLUMNS, *map(_row, reversed(self._run.rounds[-_SHOWN:]))]
        widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS))]
        kept = list(range(len(_COLUMNS)))
        for dispensable in _DISPENSABLE:
            if sum(widths[at] + 2 for at in kept) > self.size.width - 2:
                kept.remove(_COLUMNS.index(dispensable))
        lines = ["  ".join(row[at].rjust(widths[at]) for at in kept) for row in rows]
        self.query_one("#rounds", Static).update(Content("\n".join(lines)))

    def _show_curve(self) -> None:
        plot = self.query_one(PlotWidget)
        done = [account for account in self._run.rounds if "top3" in account]
        plot.clear()
        plot.set_xlimits(0.5, max(2, len(self._run.rounds)) + 0.5)
        plot.set_ylimits(0, 60)
        plot.set_xlabel("round")
        if not done:
            return
        numbers = [account["number"] for account in done]
        for name, label, style in (
            ("top3", "top 3", "cyan"),
            ("keystroke_savings", "keys saved", "green"),
        ):
            values = [100 * account[name] for account in done]
            if len(done) > 1:
                plot.plot(numbers, values, line_style=style, hires_mode=HiResMode.BRAILLE, label=label)
            plot.scatter(numbers, values, marker="o" if name == "top3" else "+", marker_style=style)


def _row(account: dict[str, Any]) -> tuple[str, ...]:
    """Give the cells of a round."""
    words, *above = account["released"] or [0]
    came, *more = account["came"] or [0]
    return (
        str(account["number"]),
        f"{account['merged']:,}/{account['asked']:,}",
        f"{account['idle']:,}",
        f"{account['lost']:,}",
        _size(account["bytes_up"]),
        _size(account["bytes_down"]),
        f"{words:,} of {came:,}",
        f"{sum(above):,} of {sum(more):,}",
        f"{account['top3']:.1%}" if "top3" in account else "",
        f"{account['keystroke_savings']:.1%}" if "top3" in account else "",
    )


def _values(phones: int) -> dict[str, tuple[Any, ...]]:
    """Give what each rule goes through."""
    cohorts = [number for number in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if number < phones]
    return {
        "cohort": (None, *cohorts),
        "min_phones": (1, 2, 3, 5, 10, 20),
        "dropout": (0.0, 0.1, 0.3),
        "epsilon": _EPSILONS,
        "secure": (False, True),
    }


def _legend() -> Content:
    parts: list[str | tuple[str, str]] = []
    for mark, colour, means in _FATES.values():
        parts += [(mark, colour), f" {means}  "]
    return Content.assemble(*parts)


def _size(number: int) -> str:
    """Write a number of bytes for people.

    >>> [_size(number) for number in (12, 1_200, 4_812_345)]
    ['12 B', '1.2 kB', '4.8 MB']
    """
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"
