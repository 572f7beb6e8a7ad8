"""`Evaluation`: what to evaluate."""

from collections.abc import Callable
from dataclasses import dataclass, field

from fedkeys.errors import UsageError
from fedkeys.model import Model
from fedkeys.model.mix import Mix
from fedkeys.phone import Keyboard, Prior, hand_mixed
from fedkeys.simulate import MixPlan, Plan
from fedkeys.sources.parts import FIRST_PART

OnStep = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What to evaluate.

    Attributes:
        split: the part of each user's messages that trains.
        users: how many users to replay; None for all.
        min_words: replay only users with this many words or more.
        new_users: how many users' messages are kept from the model; they are replayed too, after the others.
        personal: whether the keyboard learns from its owner.
        mix: whether what is known is weighed as learnt, or by hand.
        adapts: whether each keyboard goes on learning the mix.
        repeats: whether words that were passed over are offered again.
        baselines: whether more baselines are asked than the two that cost nothing.
        sample: about how many words the slow ones of them are asked.
        curves: whether recall is measured against phones and messages too.
        plan: how the model is made, where none is given.
        mixing: how the mix is trained, where no model is given.

    Raises:
        UsageError: a number is out of its range; a keyboard that learns nothing is to go on learning its mix.
    """

    split: float = FIRST_PART
    users: int | None = None
    min_words: int = 0
    new_users: int = 0
    personal: bool = True
    mix: bool = True
    adapts: bool = False
    repeats: bool = False
    baselines: bool = False
    sample: int = 300
    curves: bool = False
    plan: Plan = field(default_factory=Plan)
    mixing: MixPlan = field(default_factory=MixPlan)

    def __post_init__(self) -> None:
        if not 0 < self.split < 1:
            raise UsageError(f"split is {self.split}", remedy="choose a part between 0 and 1, such as 0.8")
        for name, value in (("users", self.users), ("sample", self.sample)):
            if value is not None and value < 1:
                raise UsageError(f"{name} is {value}", remedy="choose 1 or more")

        if self.adapts and not self.personal:
            raise UsageError("a keyboard that learns nothing adapts to nobody", remedy="let it learn")

    def keyboard(self, model: Model, prior: Prior | None, mix: Mix | None) -> Keyboard:
        """Give a new keyboard; without a mix it has the model's own, or the one that comes with fedkeys."""
        return Keyboard(model, prior=prior, mix=mix if self.mix else hand_mixed(), adapts=self.adapts)
