"""Write the test vectors anew: `python -m tests.vectors`."""

import json
from pathlib import Path

from fedkeys.counts import Vocabulary
from fedkeys.phone import Phone
from tests.test_delta import said

CASES = {
    "first": (["see you tom. see you"], None, 2, 0),
    "known": (["See you in London, iPhone 👍", "see you LOL"], ["london", "see", "you"], 3, 2),
    "nothing": ([], None, 3, 0),
}


def main() -> None:
    for name, (messages, base, order, round_) in CASES.items():
        vocabulary = Vocabulary(base) if base else None
        delta = Phone(messages, order=order, pseudonym=bytes(range(16))).delta(vocabulary, round_)
        vector = {
            "messages": messages,
            "base": base,
            "order": order,
            "round": round_,
            "phone": bytes(range(16)).hex(),
            "delta": delta.to_bytes().hex(),
            "said": said(delta, vocabulary),
        }
        path = Path(__file__).parent / f"{name}.json"
        path.write_text(json.dumps(vector, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
